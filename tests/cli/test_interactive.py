"""`poet write --interactive`: a poem in turns, from a pipe and on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
from commands import OnTerminal, Stdin

import poet_model
from poet_model.cli.interactive import HELP, Session
from poet_model.cli.written import Writing
from poet_model.prosody import scan

FORM = {"form": "五絕", "tones": True, "rhyme": True}
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(scope="module")
def model():
    return poet_model.load(backend="numpy")


@pytest.fixture
def talk(model, monkeypatch, capsys):
    """A function that holds a conversation, and returns the poem and what was said besides HELP."""

    def talk(*lines: str, start: str = "", as_json: bool = False, simplified: bool = False, **options):
        monkeypatch.setattr(sys, "stdin", Stdin("".join(f"{line}\n" for line in lines)))
        assert Session(Writing(model, start, options, 3, simplified), as_json=as_json).run() == 0
        out, said = capsys.readouterr()
        assert said.startswith(HELP)
        return out, said.removeprefix(f"{HELP}\n")

    return talk


def test_the_user_and_the_model_take_turns(talk):
    poem, said = talk("白日依山盡", "欲窮千里目", **FORM)
    first, second = poem.splitlines()
    assert first.startswith("白日依山盡，") and second.startswith("欲窮千里目，")
    assert f"2: {first[6:]}\n4: {second[6:]}\n" in said
    report = scan(poem)
    assert report.is_regular and report.form == "五絕"
    assert "平仄合律" in said and report.tones.split("，")[0] in said


def test_enter_lets_the_model_write_all(talk):
    poem, _ = talk("", "", "", "", "", "白日依山盡", **FORM)  # the fifth Enter ends it
    assert scan(poem).is_regular and "白日依山盡" not in poem


def test_the_same_seed_and_lines_give_the_same_poem(talk):
    lines = ("", "/swap", "白日", "/undo", "")
    assert talk(*lines, **FORM) == talk(*lines, **FORM)


def test_a_line_can_be_swapped_and_taken_back(talk):
    _, said = talk("白日依山盡", "/swap", "/swap", "/undo", "黃河入海流", "/undo", "/undo", "/undo", **FORM)
    candidates = [line for line in said.splitlines() if line.startswith("2: ")]
    assert len(set(candidates)) == 3 == len(candidates)
    assert f"taken back: {candidates[-1][3:]}\n" in said
    assert "taken back: 黃河入海流。\ntaken back: 白日依山盡，\n" in said  # after the model's third line


def test_only_a_line_of_the_model_can_be_swapped(talk):
    _, said = talk("/swap", "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。", "/swap", "/undo", **FORM)
    assert said.count("the last line is not the model's") == 2
    assert "taken back: 白日依山盡，黃河入海流。欲窮千里目，更上一層樓。" in said


def test_a_line_that_breaks_a_rule_is_explained_and_asked_again(talk):
    poem, said = talk("白日依山盡", "/undo", "欲窮千里目", "更上一層天", "", **FORM)
    assert said.count("the poem '白日依山盡，") == 2 == said.count("does not fit 五絕, tones L1, rhyme")
    assert "no --rhyme" in said
    assert poem.startswith("白日依山盡，") and len(poem) == 13
    poem, said = talk("春風吹又生", "夜來風雨聲聲", "hello", "/wrong", **FORM)
    assert "五絕" in said and "written in Chinese characters" in said and said.count("/swap") == 1


def test_the_model_completes_a_line_that_is_only_begun(talk):
    poem, said = talk("白日", "/swap", **FORM)
    assert [line[:5] for line in said.splitlines()[:2]] == ["1: 白日"] * 2
    assert poem.startswith("白日") and len(poem) == 7


def test_a_start_is_the_first_line(talk):
    poem, said = talk(start="明月", **FORM)
    assert said.startswith("1: 明月") and poem.startswith("明月")
    poem, said = talk(start="白日依山盡", **FORM)
    assert said.startswith("2: ") and poem.startswith("白日依山盡，")


def test_a_start_that_cannot_be_is_refused_at_once(model):
    with pytest.raises(poet_model.InvalidValueError, match="must begin with the first character"):
        Session(Writing(model, "明月", {"acrostic": "春江"}, 3))


def test_an_acrostic_brings_its_form(talk):
    poem, _ = talk("", "江", "", "", acrostic="春江")
    assert [line[0] for line in poem.replace("。", "，").replace("\n", "").split("，")[:2]] == ["春", "江"]


def test_without_a_form_a_line_is_what_was_typed(talk):
    poem, _ = talk("明月", "好", start="")
    assert poem.startswith("明月，") and "好" in poem


def test_simplified_lines_are_read_and_shown(talk):
    poem, said = talk("云来风雨急", simplified=True, form="五絕")
    assert poem.startswith("云来风雨急，") and "2: " in said
    poem, _ = talk("云来风雨急", form="五絕")
    assert poem.startswith("雲來風雨急，")


def test_commands_may_be_short_or_full_width(talk):
    poem, said = talk("／s", "/s", "/U", "/", "/h", "/e", "白日依山盡", start="明月", **FORM)
    assert poem == "" and said.count("1: 明月") == 3 and said.count("taken back") == 1
    assert said.count(HELP) == 2


def test_json_is_one_object(talk):
    out, said = talk("白日依山盡", as_json=True, title="早春", **FORM)
    record = json.loads(out)
    assert record["text"].startswith("白日依山盡，") and record["title"] == "早春" and record["seed"] == 3
    assert "五絕" not in out and "平平" in said


def test_lines_that_are_no_text_are_asked_again(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Stdin("白日\n".encode("gbk") + "白日依山盡\n".encode()))
    assert Session(Writing(model, "", {"form": "五絕"}, 3)).run() == 0
    out, said = capsys.readouterr()
    assert "that line is not UTF-8 text" in said and out.startswith("白日依山盡，")


@posix
def test_on_a_terminal_until_the_end_of_the_poem():
    terminal = OnTerminal(["write", "--interactive", "--form", "五絕", "--seed", "3"])
    terminal.wait_for("1> ")
    terminal.type("白日依山盡")
    assert "\n2: " in terminal.wait_for("3> ")
    terminal.type("/swap")
    assert "\n2: " in terminal.wait_for("3> ")
    terminal.type("欲窮千里目")
    terminal.wait_for("Enter ends it> ")
    terminal.type("")
    assert terminal.end() == 0
    assert "五絕 · " in terminal.shown and "\n  欲窮千里目，" in terminal.shown


@posix
@pytest.mark.parametrize(("key", "status"), [("ctrl-d", 0), ("ctrl-c", 130)])
def test_it_can_be_left_with_the_poem_so_far(key, status):
    terminal = OnTerminal(["write", "白日依山盡", "--interactive", "--form", "五絕", "--seed", "3"])
    terminal.wait_for("3> ")
    if key == "ctrl-d":
        terminal.press(b"\x04")
    else:  # again, as a user would, if it came in the moment before readline began to wait
        for _ in range(10):
            terminal.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(3)
                break
    assert terminal.end() == status
    assert "\n  白日依山盡，" in terminal.shown and "Traceback" not in terminal.shown
