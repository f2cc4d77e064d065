"""NoveltyIndex: the longest stretches are those of a brute-force search; saving, loading and speed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import POEMS, ROOT

from poet_model import CheckpointError
from poet_model.corpus.prepare import load_corpus
from poet_model.novelty.__main__ import main as novelty_main
from poet_model.novelty.index import (
    MIN_LENGTH,
    NoveltyIndex,
    default_folder,
    plain,
)
from poet_model.novelty.suffixes import SORTED_BY, sort_suffixes
from poet_model.prosody.lines import LINE_ENDS, split_lines
from poet_model.script import to_simplified

TITLES = ("靜夜思", "春曉", "登鸛雀樓", "送孟浩然之廣陵")


@pytest.fixture(scope="module")
def index():
    return NoveltyIndex.build(zip(POEMS, TITLES, ("李白", "孟浩然", "王之渙", "李白"), strict=True))


@pytest.fixture(scope="module")
def tang():
    return [poem for split in load_corpus("tang").splits.values() for poem in split]


@pytest.fixture(scope="module")
def tang_index(tang):
    return NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in tang)


def test_suffixes_are_in_order():
    text = np.random.default_rng(0).integers(0, 3, 400).astype(np.uint32)
    found = [tuple(text[place : place + SORTED_BY]) for place in sort_suffixes(text)]
    assert found == sorted(found)
    assert sorted(sort_suffixes(text)) == list(range(400))


def test_whole_lines_parts_and_nothing(index):
    whole, part, new, across = index.find("春眠不覺曉，人在黃鶴樓。天地玄黃紅，觀曉處處聞。")
    assert (whole.text, whole.is_whole, whole.places) == ("春眠不覺曉", True, 1)
    assert (whole.title, whole.author) == ("春曉", "孟浩然")
    assert (part.text, part.is_whole, part.title) == ("黃鶴樓", False, "送孟浩然之廣陵")
    assert (new.line, new.text, new.is_whole, new.title) == (3, "", False, "")
    assert across.text == "處處聞"  # 曉 ends a line there


def test_simplified_text_is_found_too(index):
    poem = to_simplified(POEMS[3])
    assert [match.text for match in index.find(poem)] == [
        line.rstrip(LINE_ENDS) for line in split_lines(poem)
    ]


def brute_force(line, lines):
    """The longest stretch, by brute force."""
    for length in range(len(line), MIN_LENGTH - 1, -1):
        for start in range(len(line) - length + 1):
            if any(plain(line[start : start + length]) in other for other in lines):
                return line[start : start + length]
    return ""


def test_it_is_the_longest_by_brute_force(tang):
    rng = np.random.default_rng(0)
    poems = tang[:300]
    index = NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in poems)
    lines = [line.rstrip(LINE_ENDS) for poem in poems for line in split_lines(poem.text)]
    known = list(map(plain, lines))
    for _ in range(100):
        first, second = (lines[i] for i in rng.integers(len(lines), size=2))
        line = first[: rng.integers(len(first)) + 1] + second[rng.integers(len(second)) :]
        [match] = index.find(line)
        assert match.text == brute_force(line, known)
        assert match.is_whole == (match.text == line)
        if match.text:
            poem = next(poem for poem in poems if plain(match.text) in plain(poem.text))
            assert (match.title, match.author) == (poem.title, poem.author)


WRITTEN = ("晚渡寒潮急", "空山落葉深", "歸人何處宿", "燈火出疏林")


@pytest.mark.parametrize(
    "pattern",
    [
        *("{}，{}。{}，{}。", "{}，{}！{}？{}。", "{}；{}。{}；{}", "{}、{}。{}、{}。"),
        *("{},{}.{},{}.", "{},{}!{}?{};", "\ufeff{}\u200b，{}\ufe00。{}｡{}﹐", "{}……{}——{}…{}"),
        *("{}\n{}\n{}\n{}", "{}，\r\n{}。\r\n{}，\r\n{}。\r\n", "{}\u2028{}\u2029{}\x85{}"),
        *("{} {}\u3000{}\t{}", "{}<br/>{}<BR>{}<br>{}", "{}|{}/{}|{}", "「{}，{}。」{}，《{}》"),
    ],
)
def test_every_line_of_a_poem_is_looked_up_however_it_is_written(pattern):
    index = NoveltyIndex.build([("，".join(WRITTEN) + "。", "晚渡", "甲某")])
    found = index.find(pattern.format(*WRITTEN))
    assert [match.text for match in found if match.is_whole] == list(WRITTEN)
    again = NoveltyIndex.build([(pattern.format(*WRITTEN), "晚渡", "甲某")])
    assert [match.text for match in again.find("，".join(WRITTEN)) if match.is_whole] == list(WRITTEN)


def test_saved_and_loaded_it_is_the_same_whatever_happens_to_the_files(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = NoveltyIndex.load(tmp_path / "index")
    for path in (tmp_path / "index").iterdir():
        os.truncate(path, 1)  # a process that has mapped the file would be killed
    for poem in POEMS:
        assert loaded.find(poem) == index.find(poem)


def numbers(values, dtype):
    """The content of a .npy file."""
    file = io.BytesIO()
    np.save(file, np.array(values, dtype))
    return file.getvalue()


def claims(shape):
    """A .npy file that claims to have another shape than it has."""
    return numbers([1, 2], np.uint32).replace(b"(2,), }", f"({shape}), }}".encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.npy", b""),
        ("text.npy", b"\x80\x04K\x01."),
        ("suffixes.npy", b"not an array"),
        ("poems.json", b"[]"),
        ("poems.json", b'{"format_version": 1, "poems": [[0, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[0]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[Infinity, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[1e999, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[1, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[0, "", ""], [-1, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[0, "", ""], [99999999999, "", ""]]}'),
        ("poems.json", b'{"format_version": 2, "poems": [[0, null, []]]}'),
        ("poems.json", b'{"format_version": 2, "poems": {"0": 1}}'),
        ("poems.json", b'{"format_version": 2}'),
        ("text.npy", numbers([], np.uint32)),
        ("text.npy", numbers([1, 2], np.uint32)),
        ("text.npy", numbers([None], object)),
        ("text.npy", claims("1000000000000,")),
        ("text.npy", claims("2, 1000000000000")),
        ("text.npy", claims("__import__('os')")),
        ("suffixes.npy", numbers([[0, 1]], np.int32)),
        ("suffixes.npy", numbers([0.0, np.nan], np.float32)),
    ],
)
def test_a_damaged_index_is_one_sentence(index, tmp_path, name, content):
    index.save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"build it again|expected a dict"):
        NoveltyIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "value"), [("text", 3, 2**32 - 1), ("suffixes", 5, 2**31 - 1), ("suffixes", 0, -5)]
)
def test_numbers_that_would_lead_elsewhere_are_one_sentence(index, tmp_path, name, place, value):
    index.save(tmp_path)
    array = np.load(tmp_path / f"{name}.npy")
    array[place] = value
    np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(CheckpointError, match="damaged index; build it again"):
        NoveltyIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["text.npy", "suffixes.npy"])
def test_a_pipe_in_place_of_an_array_is_one_sentence(index, tmp_path, name):
    index.save(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name} is not a file; build it again"):
        NoveltyIndex.load(tmp_path)


def test_no_index_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    build = r"build one with `python -m poet_model\.novelty build"
    with pytest.raises(CheckpointError, match=f"{build}`"):
        NoveltyIndex.load(default_folder())
    with pytest.raises(CheckpointError, match=f"{build} --folder '.*/a b'`"):
        NoveltyIndex.load(tmp_path / "a b")


def test_the_corpus_is_found_in_itself_and_a_poem_takes_little_time(tang, tang_index, tmp_path):
    tang_index.save(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 60e6
    loaded = NoveltyIndex.load(tmp_path)
    poems = [poem for poem in tang if poem.form == "七律"][:20]
    loaded.find(poems[0].text)
    started = time.perf_counter()
    found = [loaded.find(poem.text) for poem in poems]
    assert (time.perf_counter() - started) / len(poems) < 0.5  # 20 ms on an idle machine
    assert all(match.is_whole for matches in found for match in matches)


def test_ways_to_write_one_character_are_the_same():
    index = NoveltyIndex.build([("獨在異鄉爲異客，每逢佳節倍思親。", "憶山東兄弟", "王維")])
    for line in ("獨在異鄉為異客，", "独在异乡为异客，", "獨在異鄉爲異客，"):
        [match] = index.find(line)
        assert match.is_whole and match.text == line[:-1]  # in the script of the input


def test_followers_are_what_stands_behind_a_stretch_anywhere():
    index = NoveltyIndex.build([("春眠不覺曉，春風又綠。", "", ""), ("不覺春風來。", "", "")])
    assert sorted(index.followers("春")) == sorted("眠风")
    assert sorted(index.followers("春風")) == sorted("又来")
    assert (
        index.followers("綠") == index.followers("來") == index.followers("夏") == ""
    )  # a line end does not count as a character
    assert set(index.followers("")) == set("春眠不觉晓风又绿来")


def test_the_command(tmp_path):
    (tmp_path / "poems.jsonl").write_text(
        json.dumps({"title": "春曉", "author": "孟浩然", "text": POEMS[1]}) + "\n", encoding="utf-8"
    )
    build = ["build", "--corpus", tmp_path / "poems.jsonl", "--folder", tmp_path / "index"]
    find = ["find", "春眠不覺曉，人面桃花紅。", "--folder", tmp_path / "index"]
    said = []
    for arguments in (build, find, ["find", "春", "--folder", tmp_path / "none"]):
        done = subprocess.run(
            [sys.executable, "-m", "poet_model.novelty", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"POET_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        said.append((done.returncode, done.stdout + done.stderr))
    assert said[0][0] == 0 and "1 poems" in said[0][1]
    assert said[1][1].splitlines() == ["1  春眠不覺曉  孟浩然《春曉》, found 1×", "2  －  new"]
    assert said[2][0] == 2 and "there is no index in" in said[2][1]


@pytest.mark.parametrize("text", ["", "hello", "，。", "123"])
def test_the_command_says_that_a_text_is_no_verse(text, capsys):
    with pytest.raises(SystemExit) as caught:
        novelty_main(["find", text])
    assert caught.value.code == 2
    assert f"expected a poem or a line of verse, got {text!r}" in capsys.readouterr().err
