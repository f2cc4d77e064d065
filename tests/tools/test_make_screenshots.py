"""The pictures of the READMEs: they are there and small, and the terminal shows what `poet` prints."""

from __future__ import annotations

import os
import shlex
import struct

import pytest
from conftest import ROOT
from make_screenshots import COLUMNS, FOLDER, PAGES, SESSION, html_of, run_in_terminal, terminal_html

from poet_model.cli.commands import parser_of

posix = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")


def size_of(png: bytes) -> tuple[int, int]:
    """The width and height of a PNG."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_every_picture_is_there_and_small():
    pictures = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert pictures.keys() == {f"{name}.png" for name in (*PAGES, "terminal")}, "run: make screenshots"
    assert all(len(png) < 200_000 for png in pictures.values())
    for name, window in PAGES.items():
        size = window["viewport"]
        assert size_of(pictures[f"{name}.png"]) == (2 * size["width"], 2 * size["height"])
    width, height = size_of(pictures["terminal.png"])
    assert width > height > 500


def test_the_readmes_show_no_other_pictures_of_the_page():
    for name in ("README.md", "README.zh.md"):
        for place in (ROOT / name).read_text(encoding="utf-8").split("assets/screenshots/")[1:]:
            assert (FOLDER / place.partition(".png")[0]).with_suffix(".png").is_file()


def test_every_poem_in_the_terminal_has_a_seed():
    for line in SESSION:
        for part in line.split("|"):
            program, *words = shlex.split(part)
            if program == "poet":
                options = parser_of(words[0]).parse_args(words[1:])
                assert words[0] != "write" or options.seed is not None


def test_colours_become_spans_and_all_else_is_text():
    assert html_of("a<b \x1b[31m１\x1b[0m c") == 'a&lt;b <span class="red">１</span> c'
    assert html_of("五絕 · 押") == '五絕 <span class="narrow">·</span> 押'
    for unknown in ("\x1b[35m紫", "\x1b[2K"):
        with pytest.raises(ValueError, match=r"escape sequence|STYLES"):
            html_of(unknown)
    page = terminal_html({"poet judge <x": "\x1b[2m平\x1b[0m"})
    assert "poet judge &lt;x" in page and '<span class="dim">平</span>' in page


@posix
def test_a_command_sees_a_terminal_with_colours(tmp_path, capfd):
    look = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size(1).columns, '詩')"
    line = f"python3 -c {shlex.quote(look)} && printf '\\033[31m红\\033[0m\\n'"
    assert run_in_terminal(line, tmp_path) == f"True {COLUMNS} 詩\n\x1b[31m红\x1b[0m\n"
    with pytest.raises(SystemExit, match="poet: no such word"):
        run_in_terminal("echo poet: no such word >&2; exit 2", tmp_path)
    assert "usage: poet" in run_in_terminal("poet --help", tmp_path)
