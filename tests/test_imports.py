"""Which module or folder may import which others. The test reads the sources without importing them."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import poet_model

# room: (imported rooms, imported libraries), exactly these; the standard library is always allowed. A room is
# a module or a folder of poet_model. The __main__.py of a folder combines several rooms and is listed apart.
LAW = {
    "arrays": ("", "numpy"),
    "terminal": ("", ""),
    "paths": ("", ""),
    "extras": ("", ""),
    "errors": ("extras terminal", ""),
    "command_parser": ("", ""),
    "deprecated": ("", ""),  # it imports modules by their names, when they are used
    "cores": ("", ""),
    "machine": ("cores errors", "torch"),
    "layers": ("", "torch"),
    "script": ("terminal", "opencc"),
    "locks": ("", ""),
    "temporary": ("locks", ""),
    "files": ("errors temporary", ""),
    "folders": ("errors files temporary", ""),
    "model_folder": ("errors files", ""),
    "prosody": ("errors script", ""),
    "couplets": ("arrays prosody script", "numpy"),
    "stepper": ("arrays layers", "torch"),
    "config": ("errors files model_folder", ""),
    "weights": ("arrays errors files model_folder", "numpy safetensors"),
    "tensors": ("weights", "torch"),
    "tokenizer": ("errors files model_folder prosody script", "tokenizers"),
    "novelty": ("deprecated errors files folders prosody script", "numpy"),
    "novelty.__main__": ("corpus errors novelty script", ""),
    "corpus": (
        "deprecated errors files hub model_folder paths prosody script temporary terminal tokenizer",
        "numpy",
    ),
    "corpus.__main__": ("corpus errors", ""),
    "hub": ("deprecated errors files folders command_parser model_folder", "huggingface_hub jinja2 tqdm"),
    "hub.__main__": ("errors hub", ""),
    "generation": (
        "arrays couplets deprecated errors files model_folder novelty prosody script tokenizer",
        "numpy",
    ),
    "numpy_model": ("arrays config folders generation hub tokenizer weights", "numpy"),
    "loading": ("errors extras hub model numpy_model", ""),
    "model": (
        "config errors folders generation hub layers machine model_folder stepper tensors tokenizer weights",
        "torch",
    ),
    "evaluation": (
        "corpus couplets deprecated errors files hub machine model model_folder novelty paths prosody script "
        "terminal tokenizer",
        "numpy torch tqdm",
    ),
    "evaluation.__main__": ("errors evaluation command_parser hub model", ""),
    "training": (
        "config corpus errors evaluation extras files folders hub locks machine model model_folder paths "
        "prosody terminal tokenizer",
        "accelerate numpy safetensors torch tqdm",
    ),
    "bulk": (
        "cores errors extras files generation hub loading locks model_folder novelty prosody script "
        "temporary terminal",
        "numpy pyarrow ray torch tqdm",
    ),
    "bulk.__main__": ("bulk cli cores errors command_parser paths", ""),
    "training.__main__": ("errors command_parser hub training", ""),
    "ui": (
        "couplets errors files generation command_parser hub loading model_folder novelty prosody script "
        "tokenizer",
        "fastapi gradio httpx pandas yaml",
    ),
    "cli": (
        "config corpus couplets errors evaluation generation command_parser hub loading model_folder novelty "
        "numpy_model prosody script terminal tokenizer",
        "shtab",
    ),
    "__main__": ("cli errors", ""),
    "from_scratch": ("corpus errors files folders prosody script terminal", "numpy safetensors"),
    "from_scratch.__main__": ("corpus from_scratch prosody terminal", ""),
    # they compare the NumPy and the torch code, and draw
    "from_scratch.experiments": (
        "corpus extras from_scratch layers model prosody terminal",
        "matplotlib numpy torch",
    ),
    # is copied into model folders, which are used without poet_model
    "hub.remote_code": ("", "torch transformers"),
    "train.py": ("training", ""),
    "app.py": ("errors ui", ""),
}
APART = ("hub.remote_code", "from_scratch.experiments")
PACKAGE = ROOT / "poet_model"
WITHOUT_TORCH = [
    "bulk.run",
    "config",
    "corpus",
    "corpus.batches",
    "couplets",
    "errors",
    "files",
    "folders",
    "hub",
    "hub.card",
    "hub.space",
    "model_folder",
    "novelty",
    "prosody",
    "script",
    "tokenizer",
    "evaluation",
    "evaluation.intervals",
    "evaluation.metrics",
    "evaluation.report",
    "evaluation.publish",
    "command_parser",
    "loading",
    "cli.info",
    "cli.push",
    "training.malloc",
    "numpy_model",
    "generation.writer",
    "weights",
    "cli.write",
    "cli.interactive",
    "cli.judge",
    "cli.summary",
    "training.packages",
    "training.presets",
]


def sources() -> list[Path]:
    """Every file of the package, and the two scripts in the top folder."""
    return sorted([*PACKAGE.rglob("*.py"), ROOT / "train.py", ROOT / "app.py"])


def room_of(path: Path) -> str:
    """The room of a file."""
    inside = path.relative_to(ROOT).with_suffix("").parts
    if len(inside) == 1:
        return path.name
    dotted = ".".join(inside[1:])
    for room in APART:
        if dotted.startswith(f"{room}."):
            return room
    return f"{inside[1]}.__main__" if inside[2:] == ("__main__",) else inside[1]


def imports_of(path: Path, root: Path = ROOT) -> tuple[set[str], set[str]]:
    """The rooms and the libraries that a file imports anywhere, including inside functions."""
    inside = path.relative_to(root).with_suffix("").parts  # ("poet_model", "ui", "curves")
    ours, others = set(), set()

    def add(name: str) -> None:
        first, *rest = name.split(".")
        if first != "poet_model":
            others.add(first)
        elif rest and rest != ["__version__"]:
            lazy = poet_model._MODULE_OF.get(rest[0], rest[0])  # `from poet_model import PoetModel`
            ours.add(lazy.split(".")[0])

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = list(inside[: len(inside) - node.level]) if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            for alias in node.names:
                add(f"{base}.{alias.name}" if base == "poet_model" else base)
    return ours, others - set(sys.stdlib_module_names)


def imports_by_room() -> dict[str, tuple[set[str], set[str]]]:
    """All imports of the files of a room, without imports inside the room."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in sources():
        if path == PACKAGE / "__init__.py":  # its imports are only for type checkers; see _MODULE_OF
            continue
        room = room_of(path)
        ours, others = imports_of(path)
        together = found.setdefault(room, (set(), set()))
        together[0].update(ours - {room})
        together[1].update(others)
    return found


def test_the_law_is_what_the_code_does():
    found = imports_by_room()
    law = {room: tuple(set(names.split()) for names in pair) for room, pair in LAW.items()}
    law["hub.remote_code"][0].add("hub")  # its two files import each other
    assert found == law


def test_no_room_imports_one_that_imports_it():
    rooms = {name: set(LAW[name][0].split()) for name in LAW if not name.endswith((".py", "__main__"))}
    order: list[str] = []
    while rooms:
        ready = sorted(name for name, needed in rooms.items() if needed <= set(order))
        assert ready, f"a circle among {sorted(rooms)}"
        order += ready
        for name in ready:
            del rooms[name]
    assert order.index("errors") < order.index("model") < order.index("from_scratch.experiments")


def test_the_loop_of_training_knows_no_poem():
    for name in ("trainer", "checkpoint"):
        ours, _ = imports_of(PACKAGE / "training" / f"{name}.py")
        assert not ours & {"corpus", "prosody", "evaluation", "tokenizer"}, name


@functools.cache
def modules_within(folder: Path) -> dict[str, set[str]]:
    """Maps each module to the modules of the same folder that it imports at any time."""
    found: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        names = found.setdefault(path.stem, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names.update([node.module.split(".")[0]] if node.module else [a.name for a in node.names])
    return {name: needed & found.keys() for name, needed in found.items()}


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in PACKAGE.rglob("*.py")}),
    ids=lambda p: p.name,
)
def test_no_circle_within_a_room(folder):
    left = dict(modules_within(folder))
    left.pop("__init__", None)
    while left:
        ready = [name for name, needed in left.items() if not needed & left.keys()]
        assert ready, f"a circle among {sorted(left)}"
        for name in ready:
            del left[name]


def test_only_a_command_imports_a_main():
    for path in sources():
        if path.name != "__main__.py":
            assert "__main__" not in modules_within(path.parent)[path.stem], path


def test_the_reader_of_imports_sees_every_way_to_import(tmp_path):
    (tmp_path / "poet_model" / "ui").mkdir(parents=True)
    file = tmp_path / "poet_model" / "ui" / "part.py"
    file.write_text(
        "import os, numpy.random as r\nfrom .. import hub\nfrom ..layers import State\nfrom . import theme\n"
        "def f():\n    from poet_model import PoetModel\n    import poet_model.evaluation.report\n"
        "    from torch.nn import LSTM\n    from ..generation.form import RegularForm\n",
        encoding="utf-8",
    )
    assert imports_of(file, tmp_path) == (
        {"hub", "layers", "ui", "model", "evaluation", "generation"},
        {"numpy", "torch"},
    )


def loaded_by(code: str) -> set[str]:
    """The names of all modules that a new Python process has loaded after running `code`."""
    code += "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "gradio", "opencc", "numpy", "pandas", "huggingface_hub", "tokenizers", "accelerate"}
    assert not loaded_by("import poet_model") & heavy


def test_the_half_without_torch_loads_none():
    code = "\n".join(f"import poet_model.{name}" for name in WITHOUT_TORCH)
    assert not loaded_by(code) & {"torch", "gradio", "accelerate"}


def test_every_public_name_resolves():
    for name in poet_model.__all__:
        found = getattr(poet_model, name)
        assert found.__name__ == name
        assert found.__module__ == f"poet_model.{poet_model._MODULE_OF[name]}"
    assert set(poet_model.__all__) <= set(dir(poet_model))
    with pytest.raises(AttributeError, match="no_such_name"):
        poet_model.no_such_name  # noqa: B018
