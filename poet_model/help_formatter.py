"""The parsers of all commands: how they begin, and the format of their --help."""

from __future__ import annotations

import argparse

_NO_DEFAULT: tuple[object, ...] = (None, False, "", [])  # what a parser has for an option that was not given


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


def new_parser(
    prog: str, description: str, examples: str, usage: str | None = None
) -> argparse.ArgumentParser:
    """A parser without options.

    Args:
        prog: the command, such as `poet write`.
        description: what it does.
        examples: what ends the help, as it is; in it, `{prog}` stands for the command.
        usage: the line that begins the help; by default it is made from the options.
    """
    return argparse.ArgumentParser(
        prog=prog,
        usage=usage,
        description=description,
        epilog=examples.replace("{prog}", prog),
        formatter_class=HelpFormatter,
    )
