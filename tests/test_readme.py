"""The READMEs: valid Space front matter, the same commands in both languages, no broken links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version

import gradio
import pytest
from conftest import ROOT, SHIPPED
from hub_server import card_errors, front_matter
from packaging.requirements import Requirement
from pasted_documents import plan
from pasted_fixtures import paste

from poet_model import PoetModel

LANGUAGES = ("README.md", "README.zh.md")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(name: str) -> list[str]:
    """The code blocks of a README, without their comments."""
    blocks = re.findall(r"```\w+\n(.*?)```", text_of(name), re.DOTALL)
    return [re.sub(r"\s*#.*", "", line).strip() for block in blocks for line in block.splitlines()]


def test_the_front_matter_is_a_spaces():
    assert card_errors(text_of("README.md"), "space") == []
    data = front_matter(text_of("README.md"))
    assert data["sdk"] == "gradio" and data["sdk_version"] == gradio.__version__
    assert (ROOT / data["app_file"]).is_file()
    assert isinstance(data["python_version"], str) and data["python_version"] in ("3.11", "3.12", "3.13")
    assert data["license"] == "mit" and len(data["emoji"]) == 1


def test_both_languages_give_the_same_commands():
    english, chinese = map(code_of, LANGUAGES)
    assert english == chinese and len(english) > 20


@pytest.mark.slow
def test_it_can_be_pasted(project, cache, hub):
    """The English one; the Chinese one has the same commands."""
    paste(plan(text_of("README.md"), "README.md"), project, cache)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_first_screen_says_how_to_start(name):
    body = text_of(name).split("---\n")[-1] if name == "README.md" else text_of(name)
    first_screen = "\n".join(body.splitlines()[:60])
    for needed in (
        "page-wide.png",
        "poet_model.load()",
        "poet write",
        "poet judge",
        "poet app",
        "pip install .",
    ):
        assert needed in first_screen
    assert "make app" in body and "pip install -r requirements.txt" in body


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_poem_and_the_perplexity_are_the_shipped_models(name):
    text = text_of(name)
    options = {"form": "五絕", "tones": True, "rhyme": True}
    assert 'generate("春", form="五絕", tones=True, rhyme=True, seed=22)' in text
    poem = PoetModel.from_pretrained(SHIPPED).generate("春", **options, seed=22)
    assert f"\n{poem}\n" in text
    metrics = json.loads((SHIPPED / "metrics.json").read_text(encoding="utf-8"))
    assert f" {metrics['perplexity']['test']['perplexity']:.1f}" in text


@pytest.mark.parametrize(
    "name",
    [
        *LANGUAGES,
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "assets/tang-lstm/README.md",
        "docs/environment.md",
        "docs/prosody.md",
        "docs/retrain.md",
        "docs/space.md",
    ],
)
def test_links_lead_to_files(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text_of(name))
    folder = (ROOT / name).parent
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("name", LANGUAGES)
def test_named_options_exist(name):
    command = [sys.executable, str(ROOT / "train.py"), "--help"]
    help_text = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    named = set(re.findall(r"^\| `(--[\w-]+)", text_of(name), re.MULTILINE))
    assert len(named) >= 7
    assert [option for option in named if f"{option} " not in help_text] == []


def test_pins_are_bounded_and_those_in_use():
    lines = [line for line in text_of("requirements.txt").splitlines() if line and not line.startswith("#")]
    assert "torch==2.13.0" in lines
    for requirement in map(Requirement, lines):
        assert any(part.operator in ("==", "<") for part in requirement.specifier), (
            f"{requirement} has no bound"
        )
        assert requirement.specifier.contains(version(requirement.name).split("+")[0])


def test_the_poems_and_tables_are_those_that_are_written_and_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import readme

    made = {(file, mark): make(file) for file, mark, make in readme.PARTS}
    others = {"docs/bulk.md", "docs/peers.md", "poet_model/from_scratch/README.md"}
    assert {file for file, _ in made} == {*LANGUAGES, *others}
    for (file, mark), part in made.items():
        assert f"<!-- {mark} -->\n{part}" in text_of(file), "run python benchmarks/readme.py"
