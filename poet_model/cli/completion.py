"""`poet completion SHELL` prints what completes the commands and options of `poet` in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..command_parser import new_parser
from ..errors import command
from .commands import COMMANDS, parser_of
from .commands import make_parser as make_top_parser

SHELLS = ("bash", "zsh", "fish", "powershell")
EXAMPLES = """examples:
  {prog} bash > ~/.local/share/bash-completion/completions/poet
  {prog} zsh > ~/.zsh/completions/_poet             # a folder in $fpath
  {prog} fish > ~/.config/fish/completions/poet.fish
  {prog} powershell >> $PROFILE"""


def make_parser(prog: str = "poet completion") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Print a script with which a shell completes the commands and options of poet.",
        EXAMPLES,
        usage=f"{prog} SHELL",
    )
    parser.add_argument("shell", choices=SHELLS, help=f"one of {', '.join(SHELLS)}", metavar="SHELL")
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """The parser of all commands together, in which files and folders are marked as such."""
    import shtab

    parser = argparse.ArgumentParser("poet", description=make_top_parser().description)
    commands = parser.add_subparsers()
    for name, (_, about) in COMMANDS.items():
        own = parser_of(name)
        for action in own._actions:
            if action.type is Path or action.metavar in ("FILE", "MODEL", "FOLDER"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it
        commands.add_parser(name, parents=[own], add_help=False, help=about, description=about)
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet completion") -> None:
    """Prints the script."""
    shell = make_parser(prog).parse_args(words).shell
    import shtab

    print(shtab.complete(whole_parser(), shell))
