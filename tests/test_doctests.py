"""The examples in the docstrings do what they show."""

from __future__ import annotations

import doctest
import functools
import importlib

import pytest
from conftest import ROOT

import poet_model
from poet_model import NumpyPoetModel, PoetModel

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "poet_model").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module", autouse=True)
def in_the_project():
    """Relative paths begin at the project's folder, and the shipped model is read once by each class."""
    for name in (*poet_model.__all__, "deprecated"):  # an import would change the module that is searched
        importlib.import_module(f"poet_model.{poet_model._MODULE_OF.get(name, name)}")
        getattr(poet_model, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for model in (PoetModel, NumpyPoetModel):
            patch.setattr(model, "_read", functools.cache(model._read))
        yield


def examples_of(name: str) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    tests = examples_of(name)
    source = importlib.import_module(name).__file__
    with open(source, encoding="utf-8") as file:  # none is overlooked, as in a function inside a decorator
        assert sum(len(test.examples) for test in tests) == file.read().count(">>> ")
    runner, report = doctest.DocTestRunner(verbose=False), []
    for test in tests:
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_only_what_needs_the_hub_is_skipped():
    skipped = [
        example.source
        for name in MODULES
        for test in examples_of(name)
        for example in test.examples
        if example.options.get(doctest.SKIP)
    ]
    assert skipped and all('"user/' in source for source in skipped)
