"""The commands of `poet`: the table of them, and their parsers.

Each command is a module with `make_parser(prog)` and `main(words, prog)`. Only the one that runs is imported.
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

from .. import __version__
from ..command_parser import new_parser

# name: (module, what it does)
COMMANDS = {
    "write": ("cli.write", "write poems, or one line after another together with the model"),
    "judge": ("cli.judge", "scan poems: form, tones, rhyme and faults, and what they borrow"),
    "bulk": ("bulk.__main__", "write very many poems into Parquet or JSONL files"),
    "app": ("ui.serve", "serve the web page"),
    "train": ("training.__main__", "train a model"),
    "evaluate": ("evaluation.__main__", "measure a model, and write its metrics and its card"),
    "info": ("cli.info", "show what is in a model"),
    "push": ("cli.push", "push a model folder to the Hub"),
    "space": ("hub.space", "make a Gradio Space that shows a model"),
    "completion": ("cli.completion", "print what completes these commands in a shell"),
}
EXAMPLES = """examples:
  poet write 春 --form 五絕 --tones --rhyme
  poet judge poem.txt
  poet app --open

`poet COMMAND --help` explains a command."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the first word, which names a command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    parser = new_parser(
        "poet",
        "A character-level LSTM that writes Tang poems.",
        "\n".join(["commands:", *lines, "", EXAMPLES]),
        usage="poet COMMAND [OPTIONS]",
    )
    parser.add_argument("--version", action="version", version=f"poet {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


def module_of(name: str) -> ModuleType:
    """The module of a command, imported."""
    return importlib.import_module(f"..{COMMANDS[name][0]}", __package__)


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    parser: argparse.ArgumentParser = module_of(name).make_parser(f"poet {name}")
    return parser
