"""The command `poet`, also `python -m poet_model`: runs the command that its first word names.

Each command is a module with `make_parser(prog)` and `main(words, prog)`. Only the one that runs is imported.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from . import __version__
from .errors import command
from .terminal import use_utf8_names

# name: (module, what it does)
COMMANDS = {
    "write": ("cli.write", "write poems, or one line after another together with the model"),
    "judge": ("cli.judge", "scan poems: form, tones, rhyme and faults, and what they borrow"),
    "bulk": ("bulk.__main__", "write very many poems into Parquet or JSONL files"),
    "app": ("ui.__main__", "open the web page"),
    "train": ("training.__main__", "train a model"),
    "evaluate": ("evaluation.__main__", "measure a model, and write its metrics and its card"),
    "info": ("cli.info", "show what is in a model folder"),
    "push": ("cli.push", "push a model folder to the Hub"),
    "space": ("hub.space", "make a Gradio Space that shows a model"),
    "completion": ("cli.completion", "print the shell's completion of these commands"),
}
EXAMPLES = """examples:
  poet write 春 --form 五絕 --tones --rhyme
  poet judge poem.txt
  poet app

`poet COMMAND --help` explains a command."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the first word."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="poet",
        usage="poet COMMAND [OPTIONS]",
        description="A character-level LSTM that writes Tang poems.",
        epilog="\n".join(["commands:", *lines, "", EXAMPLES]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"poet {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


@command
def main(words: Sequence[str] | None = None) -> int:
    """Runs the command that the first word names with the other words."""
    words = sys.argv[1:] if words is None else list(words)
    name = make_parser().parse_args(words[:1]).command
    module = importlib.import_module(f".{COMMANDS[name][0]}", __package__)
    status: int = module.main(words[1:], prog=f"poet {name}")
    return status


def run() -> int:
    """The entry point of the installed command `poet`."""
    use_utf8_names()
    return main()


if __name__ == "__main__":
    sys.exit(main())
