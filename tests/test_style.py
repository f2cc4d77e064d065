"""ruff finds no faults, as `make quality` requires; files and functions are short."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


MOST_LINES, MOST_LINES_OF_A_FUNCTION, DEEPEST = 260, 60, 4
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
FOLDERS = ("poet_model", "tools", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCES += [ROOT / "app.py", ROOT / "train.py"]


def depth_of(node: ast.AST, around: int = 0) -> int:
    """The number of blocks around the deepest line of a function; an `elif` is at the level of its `if`."""
    deepest = around
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deepest = max(deepest, depth_of(child, around + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_can_be_taken_in_at_a_glance(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= MOST_LINES_OF_A_FUNCTION, node.name
            assert depth_of(node) <= DEEPEST, node.name


def test_the_two_scripts_are_short():
    for name, most in (("app.py", 100), ("train.py", 120)):
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") < most


def test_depth_is_counted():
    code = "def f():\n if a:\n  pass\n elif b:\n  for c in d:\n   with e:\n    while g:\n     pass\n"
    assert depth_of(ast.parse(code).body[0]) == 4


def test_no_test_imports_or_patches_the_scripts():
    """No module imports app.py or train.py; only Gradio and the shell use them."""
    for path in sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("app", "train"), path
            elif isinstance(node, ast.Import):
                assert not {"app", "train"} & {alias.name for alias in node.names}, path
