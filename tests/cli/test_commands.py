"""The command poet: its first word, the parsers of its commands, and what they load."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import poet_model
from poet_model.__main__ import main
from poet_model.cli.commands import COMMANDS, module_of, parser_of


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    for name, (_, about) in COMMANDS.items():
        assert f"  {name} " in said and about in said


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"poet {poet_model.__version__}\n"


@pytest.mark.parametrize("words", [[], ["wrte"], ["--wrong"]])
def test_a_first_word_that_is_no_command_is_answered_by_the_usage(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("usage: poet COMMAND")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["wirte"], "write"),
        (["write", "--frm", "五絕"], "--form"),
        (["judge", "--strct"], "--strict"),
        (["bulk", "--num", "1", "--out", "x", "--engine", "rai"], "ray"),
    ],
)
def test_what_was_probably_meant_is_suggested(words, meant, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    said = capsys.readouterr().err
    assert said.endswith(f"; did you mean {meant}?\n") and said.count("\n") == 2  # after the usage


@pytest.mark.parametrize("name", COMMANDS)
def test_a_parser_explains_itself(name):
    parser = parser_of(name)
    assert parser.prog == f"poet {name}"
    assert parser.description and parser.description.endswith(".")
    assert parser.epilog.startswith("examples:\n  ") and f"poet {name}" in parser.epilog
    for action in parser._actions:
        assert action.help and not re.match("[A-Z][a-z ]", action.help), action
    assert "(default: None)" not in parser.format_help() and "(default: False)" not in parser.format_help()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_in_the_help_is_accepted(name, monkeypatch):
    parser = parser_of(name)
    module = module_of(name)

    class Accepted(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def accept(self, *given):
        parse(self, *given)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", accept)
    for line in parser.epilog.splitlines()[1:]:
        words = line.partition("#")[0].partition(">")[0].split("|")[0].split()
        if words[:2] == ["poet", name]:
            with pytest.raises(Accepted):
                module.main(words[2:], prog=f"poet {name}")


def test_the_parsers_load_nothing_heavy():
    code = "import sys\nfrom poet_model.cli.commands import COMMANDS, parser_of\n"
    code += "for name in COMMANDS: parser_of(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "gradio", "pyarrow", "ray", "jinja2", "accelerate"}


def test_without_torch_the_package_explains_itself_and_says_what_is_missing():
    code = """
import sys, importlib.util, pydoc
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
sys.modules["torch"] = None
import poet_model
assert "NumpyPoetModel" in pydoc.render_doc(poet_model)
from poet_model import PoetModel
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.stderr.splitlines()[-1].startswith(
        "ModuleNotFoundError: PoetModel needs torch, which is not installed; install it"
    )


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        (["app"], "gradio", "app"),
        (["train"], "torch", "train"),
        (["evaluate", "assets/tang-lstm"], "torch", "torch"),
    ],
)
def test_a_missing_extra_is_named(words, module, extra):
    code = f"import sys; sys.modules[{module!r}] = None\n"
    code += f"from poet_model.__main__ import main; sys.exit(main({words!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert module in done.stderr and f'pip install ".[{extra}]"' in done.stderr
