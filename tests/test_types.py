"""Every function of the package says its types, as `mypy --strict` (make quality) requires; this is quick."""

from __future__ import annotations

import ast

import pytest
from conftest import ROOT

PACKAGE = ROOT / "poet_model"
NOT_OURS = PACKAGE / "hub" / "remote_code"  # subclasses of transformers' models, which has no types
FILES = sorted(path for path in PACKAGE.rglob("*.py") if NOT_OURS not in path.parents)


def untyped(tree: ast.AST) -> list[str]:
    """The functions that lack the type of a parameter, or of what they return."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        given = node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        if named and named[0].arg in ("self", "cls"):
            named = named[1:]
        types = [each.annotation for each in (*named, *filter(None, (given.vararg, given.kwarg)))]
        is_typed = node.returns is not None or (node.name == "__init__" and types)
        if not is_typed or None in types:
            found.append(f"{node.name} (line {node.lineno})")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_function_says_its_types(path):
    assert untyped(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_missing_type_is_seen():
    code = "def a(x: int) -> None: ...\ndef b(x) -> None: ...\ndef c(*x: int): ...\n"
    code += "class D:\n def e(self): ...\n"
    assert untyped(ast.parse(code)) == ["b (line 2)", "c (line 3)", "e (line 5)"]


def test_type_checkers_of_others_read_the_types():
    assert (PACKAGE / "py.typed").is_file()
