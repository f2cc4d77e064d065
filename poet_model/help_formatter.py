"""HelpFormatter: the --help format of all commands."""

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
