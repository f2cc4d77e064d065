"""docs/cli.md, which is made from the parsers."""

from __future__ import annotations

from conftest import ROOT
from make_cli_manual import manual, wrapped


def test_the_manual_is_what_the_parsers_say():
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == manual(), "run: python tools/make_cli_manual.py"


def test_code_is_never_broken_over_lines():
    lines = wrapped("- `--form FORM`: " + "one of these forms, such as `a b c d e f` and " * 9, "  ")
    assert len(lines) > 2 and all(line.count("`") % 2 == 0 for line in lines)
    assert all(line.startswith("  ") for line in lines[1:])
