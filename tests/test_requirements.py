"""Every version pinned in a requirements file lies in the range that pyproject.toml gives."""

from __future__ import annotations

import re
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

import poet_model
from poet_model.extras import EXTRA_OF
from poet_model.hub.space import FOR_TRAINING


def pins(text: str) -> dict[str, Requirement]:
    """The requirements in the text of a requirements file, by name."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
EXTRAS = PROJECT["optional-dependencies"].keys()
SPACE, TRAINING = map(pins, read("requirements.txt").replace(FOR_TRAINING, "\f#").split("\f"))
DEV = pins(read("requirements-dev.txt"))


def ranges(*extras: str) -> dict[str, Requirement]:
    """The requirements of the package itself, or of extras, by name."""
    lists = [PROJECT["optional-dependencies"][extra] for extra in extras] or [PROJECT["dependencies"]]
    found = [Requirement(line) for lines in lists for line in lines]
    return {requirement.name: requirement for requirement in found if requirement.name != PROJECT["name"]}


def test_every_requirement_is_in_one_list_of_each_kind():
    assert SPACE.keys() == ranges().keys() | ranges("torch", "app").keys()
    assert TRAINING.keys() == ranges("train", "experiments").keys()
    assert DEV.keys() == ranges("bulk", "dev").keys()


@pytest.mark.parametrize("pin", [*SPACE.values(), *TRAINING.values(), *DEV.values()], ids=str)
def test_every_pin_lies_in_its_range(pin):
    allowed = (ranges() | ranges(*EXTRAS))[pin.name].specifier
    for part in pin.specifier:
        if part.operator == "<":  # the last version below
            *front, last = map(int, part.version.split("."))
            version = ".".join(map(str, (*front, last - 1, 999)))
        else:
            version = part.version
        assert allowed.contains(version), f"{pin} is not within {allowed}"


@pytest.mark.parametrize(("extra", "others"), [("all", EXTRAS - {"all", "dev"}), ("dev", {"all"})])
def test_an_extra_brings_all_others(extra, others):
    (own,) = [line for line in PROJECT["optional-dependencies"][extra] if line.startswith(PROJECT["name"])]
    assert set(re.split(r"[\[\],]", own)[1:-1]) == others


def test_every_extra_that_a_message_names_brings_the_library():
    brought = {"fastapi", "httpx", "pandas", "tqdm"}  # by gradio and huggingface_hub
    for module, extra in EXTRA_OF.items():
        if module in brought:
            continue
        names = {name.lower().replace("-", "_") for name in ranges(*filter(None, [extra]))}
        assert module in names, f"{module} is not in {extra or 'the package itself'}"


def test_nothing_that_others_install_is_pinned():
    for requirement in (ranges() | ranges(*EXTRAS)).values():
        operators = {part.operator for part in requirement.specifier}
        assert operators <= {">=", "<"} and ">=" in operators, requirement


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert read("CHANGELOG.md").count(f"\n## {poet_model.__version__}") == 1
