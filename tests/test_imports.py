"""Which module may import which: the table of the architecture, checked without importing anything."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

import poet_model

# module: (modules of ours, other libraries); the standard library is open to all
ALLOWED = {
    "errors": ("", ""),
    "files": ("errors", ""),
    "prosody": ("errors", ""),
    "script": ("", "opencc"),
    "config": ("errors files hub", ""),
    "hub": ("errors files space", "huggingface_hub"),
    # a command of its own (python -m poet_model.space): a Space's folder
    "space": ("errors files hub", "huggingface_hub"),
    "sources": ("errors files", "huggingface_hub"),
    "weights": ("errors files hub", "torch safetensors"),
    "card": ("errors files hub", ""),
    "tokenizer": ("errors files script", "tokenizers"),
    "poems": ("errors files", ""),
    "corpus": ("errors files poems script prosody sources", ""),
    "encoded": ("errors files poems prosody tokenizer", "numpy"),
    "hardware": ("", "torch"),
    "memory": ("", ""),
    "cells": ("", "torch"),
    "batches": ("encoded poems tokenizer", "numpy"),
    # a command of its own too (python -m poet_model.novelty): its main() reads a corpus
    "novelty": ("errors files script prosody sources corpus", "numpy"),
    "constraints": ("errors script prosody tokenizer", "torch"),
    "request": ("errors files script prosody novelty tokenizer constraints", "numpy"),
    "generation": ("errors script prosody novelty tokenizer constraints request", "numpy torch"),
    "model": ("errors files config tokenizer cells hub request generation card weights", "torch"),
    "rhyme_memory": ("batches prosody tokenizer", "numpy torch"),
    "objective": ("batches rhyme_memory", "numpy torch"),
    "trainer": (
        "errors files batches memory objective rhyme_memory tokenizer",
        "numpy torch accelerate safetensors tqdm",
    ),
    "intervals": ("", "numpy"),
    "measures": ("intervals novelty prosody", "numpy"),
    "table": ("card measures", ""),
    "held_out": ("errors files corpus hub", ""),
    "perplexity": ("batches corpus intervals sources tokenizer", "numpy torch"),
    "header_effects": ("corpus intervals perplexity prosody script", "numpy torch"),
    # a command of its own too (python -m poet_model.evaluation): its main() loads the model it is given
    "evaluation": (
        "errors files corpus prosody novelty card hub model"
        " measures perplexity header_effects held_out table",
        "torch",
    ),
    "ui": ("errors files card model generation novelty prosody script tokenizer", "gradio pandas"),
    "train.py": (
        "errors files config tokenizer corpus prosody batches model trainer evaluation hardware memory hub"
        " card perplexity held_out",
        "torch accelerate tqdm",
    ),
    "app.py": ("errors files card hub model generation novelty prosody script ui", "gradio pandas"),
}
FROM_SCRATCH = {
    "__init__": "",
    "functional": "",
    "rnn": "functional",
    "lstm": "functional rnn",
    "gradcheck": "functional lstm rnn",
    "optimizers": "functional",
    "initializers": "functional",
    "vocabulary": "",
    "char_lm": "functional initializers lstm rnn vocabulary command_line",
    "writing": "char_lm functional vocabulary",
    "training": "char_lm functional optimizers vocabulary",
    "command_line": "char_lm training vocabulary writing",
}
PACKAGE = ROOT / "poet_model"
SOURCES = sorted([*PACKAGE.rglob("*.py"), ROOT / "train.py", ROOT / "app.py"])
WITHOUT_TORCH = (
    "config",
    "tokenizer",
    "script",
    "prosody",
    "corpus",
    "poems",
    "encoded",
    "batches",
    "sources",
    "hub",
    "card",
    "errors",
    "files",
    "novelty",
    "intervals",
    "measures",
    "held_out",
    "table",
)


def imports_of(path) -> tuple[set[str], set[str]]:
    """Modules of ours and other libraries that a file imports anywhere, functions included."""
    inside = path.relative_to(ROOT).with_suffix("").parts  # ("poet_model", "ui", "curves")
    ours, others = set(), set()

    def add(name: str) -> None:
        first, *rest = name.split(".")
        if first != "poet_model":
            others.add(first)
        elif rest:
            lazy = poet_model._MODULE_OF.get(rest[0])  # `from poet_model import PoetModel`
            ours.add(lazy or rest[0])

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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_those_of_the_table(path):
    if path == PACKAGE / "__init__.py":  # lazy: what it names is for type checkers, and listed in _MODULE_OF
        assert imports_of(path)[1] == set()
        return
    relative = path.relative_to(ROOT)
    if "from_scratch" in relative.parts:  # its own siblings, NumPy, and what reads weights: nothing else
        ours, others = imports_of(path)
        if path.parent.name == "experiments":  # they compare both halves, and draw
            assert ours <= {"from_scratch", "corpus", "cells", "model"}
            # torch is asked for by common.need(), which says so if it is missing
            assert others <= {"numpy", "matplotlib", "torch"}
            return
        assert ours <= {"from_scratch"}
        assert others <= {"numpy"} | ({"safetensors"} if path.stem == "char_lm" else set())
        assert siblings_of(path) <= set(FROM_SCRATCH[path.stem].split())
        return
    if "remote_code" in relative.parts:  # goes with a model to where there is no poet_model
        assert imports_of(path)[0] <= {"remote_code"}
        assert imports_of(path)[1] <= {"torch", "transformers"}
        return
    module = "ui" if "ui" in relative.parts else path.name if len(relative.parts) == 1 else path.stem
    assert module in ALLOWED, f"{relative} is not in the table: add it to the architecture first"
    ours, others = (set(names.split()) for names in ALLOWED[module])
    found_ours, found_others = imports_of(path)
    assert found_ours - {module} <= ours
    assert found_others <= others


def siblings_of(path) -> set[str]:
    """Modules of its own folder that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found.update([node.module] if node.module else [alias.name for alias in node.names])
    return found


def test_the_reader_of_imports_sees_every_way_to_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "poet_model" / "ui").mkdir(parents=True)
    file = tmp_path / "poet_model" / "ui" / "part.py"
    file.write_text(
        "import os, numpy.random as r\nfrom .. import hub\nfrom ..cells import State\nfrom . import theme\n"
        "def f():\n    from poet_model import PoetModel\n    import poet_model.card\n"
        "    from torch.nn import LSTM\n",
        encoding="utf-8",
    )
    assert imports_of(file) == ({"hub", "cells", "ui", "model", "card"}, {"numpy", "torch"})


def loaded_by(code: str) -> set[str]:
    """Names of all modules that a fresh Python has loaded after `code`."""
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
