"""The parsers of all commands: how they begin, and the format of their --help."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import NoReturn

_NO_DEFAULT: tuple[object, ...] = (None, False, "", [])  # what a parser has for an option that was not given

_MISTYPED = re.compile(r"unrecognized arguments: (--[\w-]+)|invalid choice: '([^']+)'")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of each option if it has one, and keeps the lines of the examples as they are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in _NO_DEFAULT or "(default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:  # a description, not the examples
            return super()._fill_text(text, width, indent)
        return "".join(indent + line for line in text.splitlines(keepends=True))


class Parser(argparse.ArgumentParser):
    """A parser whose errors suggest the option or the choice that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, and ends the program with status 2."""
        given = _MISTYPED.search(message)
        names = [*self._option_string_actions]
        for action in self._actions:
            names += map(str, action.choices or ())
        if given and (near := difflib.get_close_matches(given[1] or given[2], names, n=1)):
            message += f"; did you mean {near[0]}?"
        super().error(message)


def new_parser(prog: str, description: str, examples: str, usage: str | None = None) -> Parser:
    """A parser without options.

    Args:
        prog: the command, such as `poet write`.
        description: what it does.
        examples: what ends the help, as it is; in it, `{prog}` stands for the command.
        usage: the line that begins the help; by default it is made from the options.
    """
    return Parser(
        prog=prog,
        usage=usage,
        description=description,
        epilog=examples.replace("{prog}", prog),
        formatter_class=HelpFormatter,
    )
