"""Writes docs/cli.md, the manual of the command `poet`, from the parsers of its commands.

python tools/make_cli_manual.py
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
from poet_model.cli.commands import COMMANDS, parser_of
from poet_model.errors import command
from poet_model.files import write_text
from poet_model.terminal import width

MANUAL = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = 118  # columns; a hanzi takes two
INTRODUCTION = """\
# The command `poet`

The package brings the command `poet`, which is also `python -m poet_model`. `poet --help` lists its commands,
and `poet --version` prints the version. This page is made from the parsers of the commands by
`python tools/make_cli_manual.py`.
"""
ENDING = """\
## Exit status

| | |
|---|---|
| 0 | everything was done |
| 1 | `poet judge --strict`: a poem is not regular |
| 2 | a wrong option, value, file or model; a sentence on stderr says what to do |
| 130 | stopped by Ctrl-C (`poet app`: 0) |
| 141 | nobody reads the output any more, as after `head -1` |

Files and pipes are read as UTF-8. A terminal that lacks a character shows it as `\\u6625`. A file is written
whole or not at all.
"""


def manual() -> str:
    """The text of docs/cli.md."""
    return "\n".join([INTRODUCTION, *map(section, COMMANDS), ENDING])


def section(name: str) -> str:
    """The part about one command."""
    parser = parser_of(name)
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    places = [place_of(action) for action in actions if not action.option_strings]
    options = ["[OPTIONS]"] * any(action.option_strings for action in actions)
    lines = [f"## poet {name}", "", f"`{' '.join(['poet', name, *places, *options])}`", ""]
    lines += [*paragraphs(parser.description or ""), ""]
    for action in actions:
        title = ", ".join(forms_of(action)) or place_of(action)
        lines += wrapped(f"- `{title}`: {help_of(action)}", "  ")
    examples, _, more = (parser.epilog or "").partition("examples:\n")[2].partition("\n\n")
    lines += ["", "```bash", textwrap.dedent(examples).rstrip(), "```", ""]
    return "\n".join([*lines, *paragraphs(more), ""] if more else lines)


def place_of(action: argparse.Action) -> str:
    """A positional argument as the usage shows it."""
    name = action.metavar or action.dest.upper()
    return {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}.get(str(action.nargs), str(name))


def forms_of(action: argparse.Action) -> list[str]:
    """The forms of an option, each with its value."""
    if action.nargs == 0:
        return list(action.option_strings)
    choices = "|".join(map(str, action.choices or ()))
    value = str(action.metavar or choices or action.dest.upper())
    value = {"?": f"[{value}]", "*": f"[{value} …]", "+": f"{value} …"}.get(str(action.nargs), value)
    return [f"{form} {value}" for form in action.option_strings]


def help_of(action: argparse.Action) -> str:
    """What an argument means, with its default."""
    text = (action.help or "") % vars(action)
    has_default = action.default not in (None, False, "", []) and action.default is not argparse.SUPPRESS
    return text + f" (default: {action.default})" * (has_default and "(default" not in text)


def paragraphs(text: str) -> list[str]:
    """The lines of a text for Markdown, which needs empty lines around the items of a list."""
    lines: list[str] = []
    is_item = False
    for line in text.splitlines() if "\n" in text else wrapped(text):
        was_item, is_item = is_item, line.startswith("  - ") or (is_item and line.startswith("   "))
        if was_item != is_item and lines[-1]:
            lines.append("")
        lines.append(line.removeprefix("  ") if is_item else line)
    return lines


def wrapped(text: str, indent: str = "") -> list[str]:
    """The lines of a paragraph. Code in backquotes stays in one line."""
    lines, line = [], ""
    for word in words_of(text):
        if line and width(f"{line} {word}") > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def words_of(text: str) -> list[str]:
    """The words of a text, in which code in backquotes is one word."""
    words: list[str] = []
    for word in text.split():
        if words and words[-1].count("`") % 2:
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


@command
def main() -> None:
    """Writes the manual."""
    write_text(MANUAL, manual())
    print("written:", MANUAL)


if __name__ == "__main__":
    sys.exit(main())
