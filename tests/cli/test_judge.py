"""`poet judge`: what it reads as poems, and how it shows one poem and many."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata

import pytest
from commands import OnTerminal, Stdin, run
from conftest import POEMS

from poet_model import prosody
from poet_model.cli.given_text import MAX_BYTES
from poet_model.cli.judge import main
from poet_model.cli.poem_view import GAP, NUMBERS, poem_view
from poet_model.cli.reading import judged
from poet_model.cli.screen import filled, has_colours
from poet_model.cli.summary import LEVEL_MEANINGS
from poet_model.couplets import middle_couplets
from poet_model.novelty.index import default_folder
from poet_model.prosody.lines import with_line_ends
from poet_model.prosody.verdict import FAULT_MEANINGS
from poet_model.script import to_simplified
from poet_model.terminal import width

STORK, DAWN = POEMS[2], POEMS[1]
CRANE = (
    "昔人已乘黃鶴去，此地空餘黃鶴樓。黃鶴一去不復返，白雲千載空悠悠。"
    "晴川歷歷漢陽樹，芳草萋萋鸚鵡洲。日暮鄉關何處是，煙波江上使人愁。"
)
SPRING = "國破山河在，城春草木深。感時花濺淚，恨別鳥驚心。烽火連三月，家書抵萬金。白頭搔更短，渾欲不勝簪。"
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(autouse=True)
def no_index(monkeypatch, tmp_path):
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def judge(monkeypatch, capsys, tmp_path):
    """A function that judges a text, by stdin or as the content of a file, and returns both outputs."""

    def judge(content: str | bytes, *words: str, name: str = "", status: int = 0) -> tuple[str, str]:
        data = content.encode("utf-8") if isinstance(content, str) else content
        if name:
            (tmp_path / name).write_bytes(data)
            words = (str(tmp_path / name), *words)
        else:
            monkeypatch.setattr(sys, "stdin", Stdin(data))
        assert main(words) == status
        return capsys.readouterr()

    return judge


def rows(text: str) -> str:
    """A poem with one couplet per line."""
    return text.replace("。", "。\n")


JSON_LINES = "".join(json.dumps({"text": poem, "seed": 7}, ensure_ascii=False) + "\n" for poem in POEMS)
TITLED = f"登鸛雀樓\n王之渙\n{rows(STORK)}\n春曉\n孟浩然\n{rows(DAWN)}"
READ = {  # what is given: title, author and text of each poem
    "one line": (STORK, [("", "", STORK)]),
    "lines of a couplet": (rows(STORK), [("", "", STORK)]),
    "four lines": (STORK.replace("，", "，\n").replace("。", "。\n"), [("", "", STORK)]),
    "no marks": (re.sub("[，。]", "\n", STORK), [("", "", STORK)]),
    "eight lines": (re.sub("[，。]", "\n", CRANE), [("", "", CRANE)]),
    "four lines of two": (rows(CRANE), [("", "", CRANE)]),
    "spaces": (re.sub("[，。]", " ", STORK), [("", "", STORK)]),
    "a poem a line": ("\n".join(POEMS), [("", "", poem) for poem in POEMS]),
    "a poem a line, parted": ("\n\n".join(POEMS), [("", "", poem) for poem in POEMS]),
    "parted": ("\n".join(map(rows, POEMS)), [("", "", poem) for poem in POEMS]),
    "titles": (TITLED, [("登鸛雀樓", "王之渙", STORK), ("春曉", "孟浩然", DAWN)]),
    "titles over a line": (
        f"登鸛雀樓\n{STORK}\n\n春曉\n{DAWN}",
        [("登鸛雀樓", "", STORK), ("春曉", "", DAWN)],
    ),
    "a title over a line": (f"登鸛雀樓\n王之渙\n{STORK}", [("登鸛雀樓", "王之渙", STORK)]),
    "a title with a bracket": (f"[唐]王之渙\n{STORK}", [("[唐]王之渙", "", STORK)]),
    "a title over all": (f"詩二首\n{STORK}\n{DAWN}", [("", "", STORK), ("", "", DAWN)]),
    "a title apart": (f"登鸛雀樓\n\n{rows(STORK)}", [("", "", STORK)]),
    "colons": (f"登鸛雀樓:{STORK}\n春曉：{DAWN}\n", [("登鸛雀樓", "", STORK), ("春曉", "", DAWN)]),
    "Windows": (
        "\ufeff" + TITLED.replace("\n", "\r\n"),
        [("登鸛雀樓", "王之渙", STORK), ("春曉", "孟浩然", DAWN)],
    ),
    "JSON lines": (JSON_LINES, [("", "", poem) for poem in POEMS]),
    "JSON": (
        json.dumps([{"title": "登鸛雀樓", "author": "王之渙", "paragraphs": rows(STORK).split()}], indent=1),
        [("登鸛雀樓", "王之渙", STORK)],
    ),
    "a list of JSON": (json.dumps(POEMS), [("", "", poem) for poem in POEMS]),
    "a table": (f"title,text\n登鸛雀樓,{STORK}\n", [("登鸛雀樓", "", STORK)]),
    "a song": (
        rows("明月幾時有，把酒問青天。不知天上宮闕，今夕是何年。"),
        [("", "", "明月幾時有，把酒問青天。不知天上宮闕，今夕是何年。")],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_as_poems(judge, name):
    given, expected = READ[name]
    records = [json.loads(line) for line in judge(given, "--json")[0].splitlines()]
    assert [(r["title"], r["author"], r["text"]) for r in records] == expected
    for record in records:
        report = prosody.scan(record["text"])
        assert record["scansion"] == report.record() and record["is_regular"] == report.is_regular
        assert record["novelty"] is None
        assert record["couplets"] == [couplet.record() for couplet in middle_couplets(record["text"])]


def test_the_name_of_a_file_says_what_it_holds(judge):
    table = f"title\ttext\n登鸛雀樓\t{STORK}\n"
    assert json.loads(judge(table, "--json", name="a.tsv")[0])["title"] == "登鸛雀樓"
    assert len(judge(JSON_LINES, "--json", name="a.txt")[0].splitlines()) == len(POEMS)


def columns_below(shown: str, line: str, sign: str) -> list[str]:
    """The characters of a line of the output that stand above a sign in one of the two lines below it."""
    lines = shown.splitlines()
    place = next(number for number, text in enumerate(lines) if line in text)
    below = next(text for text in lines[place + 1 : place + 3] if sign in text)
    starts = [width(below[:i]) for i, character in enumerate(below) if character == sign]
    return [c for i, c in enumerate(lines[place]) if width(lines[place][:i]) in starts and c != " "]


def test_faults_stand_under_their_characters(judge):
    shown, _ = judge(CRANE)
    report = prosody.scan(CRANE)
    assert [str(fault) in shown for fault in report.faults] == [True] * 5
    lines = [line.rstrip("，。") for line in prosody.split_lines(CRANE)]
    for number, fault in zip(NUMBERS, report.faults, strict=False):
        assert columns_below(shown, lines[fault.line - 1], number) == [lines[fault.line - 1][fault.place - 1]]
        assert f"{number} {fault}" in shown and FAULT_MEANINGS[fault.kind] in shown
    assert "七律 · 押尤韻 · 平仄不合律" in shown and "樓 悠 洲 愁" in shown


@pytest.mark.parametrize("text", [*POEMS, CRANE, to_simplified(POEMS[3]), "一" * 100, "あa1，bc。"])
def test_every_tone_stands_under_its_character(text):
    poem = judged(text)
    shown = poem_view(poem, sys.stderr).split("\n\n")[0].splitlines()
    lines = [line for line in shown if not set(line) & set(NUMBERS)]
    verse, below = lines[::2], lines[1::2]
    assert "".join(verse).replace(" ", "") == poem.text == with_line_ends(text)
    signs = "".join(
        sign.strip(" ") + GAP * ((width(line) - width(sign)) // 2)
        for line, sign in zip(verse, below, strict=True)
    )
    tones = poem.scansion.tones or prosody.tones(poem.text)
    assert signs == re.sub("[，。]", GAP, tones.replace("○", "〇"))
    assert all(unicodedata.east_asian_width(sign) in "WF" for sign in f"平仄〇？{GAP}{NUMBERS}")


def test_many_poems_are_a_row_each_and_a_table(judge):
    shown, hint = judge("\n".join([*POEMS, "春風，秋月。"]))
    lines = shown.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["1", "五絕", "L5"],
        ["2", "五絕", "L5"],
        ["3", "五絕", "L1"],
    ]
    assert (
        "失粘" in lines[2]
        and lines[3].rstrip().endswith("白日依山盡")
        and lines[5].split() == ["5", "－", "春風"]
    )
    table = {tuple(line.split()[:3]) for line in lines[7:]}
    assert {("poems", "5"), ("form", "五絕", "3"), ("七絕", "1", "20.0%"), ("other", "1", "20.0%")} <= table
    assert hint == ""  # it is for people, at a terminal
    only_table, hint = judge("\n".join([*POEMS, "春風，秋月。"]), "--summary")
    assert only_table == "\n".join(lines[7:]) + "\n" and hint == ""
    assert "of the poems with a form" in only_table
    assert judge(STORK, "--summary")[0].split()[:2] == ["poems", "1"]


def test_every_level_has_a_meaning():
    assert tuple(LEVEL_MEANINGS) == prosody.LEVELS


@pytest.mark.parametrize(("poem", "status"), [(STORK, 0), (CRANE, 1), (f"{STORK}\n{CRANE}", 1), ("春。", 1)])
def test_strict_has_a_status_of_its_own(judge, poem, status):
    judge(poem, "--strict", status=status)
    judge(poem)


def test_what_is_no_poem_is_left_out_and_counted(judge):
    lines = JSON_LINES + '{"id": 3}\n{"text": "no poem"}\n{"text": "none"}\n'
    shown, note = judge(lines, "--json")
    assert len(shown.splitlines()) == len(POEMS)
    assert (
        note
        == "note: left out, because they are no poems: no Chinese characters (2), not a poem record (1)\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "poems.txt is empty"),
        (b" \r\n", "poems.txt is empty"),
        (
            STORK.encode("gbk"),
            "poems.txt is not UTF-8 text (byte 0); convert it first, as in `iconv -f GB18030",
        ),
        (STORK.encode("utf-16"), "`iconv -f UTF-16 -t UTF-8 "),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"\0\0", "is not text (byte 0 is zero)"),
        (b"Hello\n\nworld\n", "poems.txt holds no poem: no Chinese characters"),
        ("春".encode() * 10_001, "poems.txt, poem 1: the poem has 10,001 characters; at most 10,000 fit"),
        (b'{"text": "x', "is not valid JSON"),
        (f'{{"text": "{STORK}"}}\nno\n'.encode(), "poems.txt line 2 is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
    ],
)
def test_a_bad_file_is_one_sentence(judge, content, said):
    out, errors = judge(content, "--summary", name="poems.txt", status=2)
    assert out == "" and said in errors and errors.startswith("error: ") and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("none.txt", "error: 'none.txt' cannot be read (No such file or directory); check the name"),
        ("tests", "error: tests is a folder; give a file in it"),
        (STORK, "if it is the text itself, pipe it: `echo … | poet judge`"),
        ("--corpus song", "give it with --index build"),
        ("--json --summary", "not allowed with argument"),
        ("- -", "- can be given once"),
        ("--index burn", "invalid choice: 'burn'"),
        ("--index build --corpus nowhere.txt", "corpus 'nowhere.txt' was not found"),
        ("a\0b", "cannot be read"),
    ],
)
def test_bad_words_are_one_sentence(capsys, words, said):
    try:
        status = main(words.split(" "))
    except SystemExit as error:
        status = error.code
    out, errors = capsys.readouterr()
    assert (status, out) == (2, "") and said in errors.splitlines()[-1]


def test_a_file_without_end_is_refused(capsys):
    if not os.path.exists("/dev/zero"):
        pytest.skip("needs /dev/zero")
    assert main(["/dev/zero"]) == 2
    assert f"/dev/zero has more than {MAX_BYTES >> 20} MiB" in capsys.readouterr().err


def test_the_index_is_built_and_used(judge, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"登鸛雀樓:{STORK}\n", encoding="utf-8")
    shown, _ = judge(rows(STORK), "--index", "build", "--corpus", str(corpus), name="poem.txt")
    assert shown.startswith(f"1 poems, 0 MB: {default_folder()}\n")
    assert "第1句「白日依山盡」無名氏《登鸛雀樓》" in shown
    record = json.loads(judge("白日依山遠，明月照人來。", "--json")[0])
    assert record["novelty"] == [{"line": 1, "text": "白日依山", "title": "登鸛雀樓", "author": ""}]
    shown, hint = judge("明月照人來，清風在竹間。")
    assert "no line occurs in 全唐詩" in shown and hint == ""
    assert "borrow 1 50.0% at least four" in " ".join(judge(f"{STORK}\n{CRANE}")[0].split())
    (default_folder() / "poems.json").write_text("{}", encoding="utf-8")
    shown, note = judge(STORK)
    assert "五絕" in shown and note.startswith("note: poems cannot be compared with 全唐詩: ")
    assert "`poet judge --index build`" in note or "again: poet judge --index build" in note


def test_colours_are_for_terminals_that_want_them(monkeypatch, judge):
    assert "\x1b" not in judge(CRANE)[0]

    class Terminal(Stdin):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert has_colours(Terminal())
    assert "\x1b[31m" in poem_view(judged(CRANE), Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours(Terminal()) and not has_colours(None)


def test_columns_are_filled_by_width():
    assert [filled(text, 6) for text in ("春", "春風", "春風秋月", "spring", "springs")] == [
        "春    ",
        "春風  ",
        "春風… ",
        "spring",
        "sprin…",
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence():
    with open("/dev/full", "wb") as full:
        status, _, errors = run(["judge", "--json"], input=STORK.encode(), stdout=full)
    assert status == 2 and errors.startswith(b"error: the output cannot be") and errors.count(b"\n") == 1


@posix
def test_a_user_can_paste_a_poem():
    terminal = OnTerminal(["judge"], environment={"POET_CACHE": os.devnull + "/none"})
    terminal.wait_for("Ctrl-D")
    terminal.type(STORK)
    terminal.press(b"\x04")
    assert terminal.end() == 0
    assert "五絕 · 仄起首句不入韻" in terminal.shown
    assert "poet judge --index build" in terminal.shown


@posix
def test_a_poem_is_judged_in_any_encoding(tmp_path):
    (tmp_path / "鶴.txt").write_text(CRANE, encoding="utf-8")
    expected = run(["judge", tmp_path / "鶴.txt"])[1].decode("utf-8")
    for encoding, environment in {
        "cp936": {"PYTHONIOENCODING": "cp936"},
        "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    }.items():
        status, out, _ = run(["judge", tmp_path / "鶴.txt"], environment=environment)
        assert status == 0
        assert out.decode(encoding) == expected.encode(encoding, "backslashreplace").decode(encoding)
    assert expected.encode("cp936")  # every sign is in the old encoding of Windows in China


def test_the_middle_couplets_of_eight_lines_are_judged(judge):
    shown = judge(SPRING.replace("恨別鳥", "恨別花"))[0]
    assert "頷聯 上下句重字「花」 repeats 花 in its second line" in shown
    assert "頸聯 對仗 parallel · 0.41 · 烽家 火書 連抵 三萬 月金" in shown
    assert "聯 " not in judge(STORK)[0]
    records = [json.loads(judge(poem, "--json")[0])["couplets"] for poem in (SPRING, STORK)]
    assert [couplet["name"] for couplet in records[0]] == ["頷聯", "頸聯"] and records[1] == []
