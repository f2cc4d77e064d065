"""What is published names no folder of the user's machine, however the path was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from poet_model.evaluation import command_line
from poet_model.paths import shown_argument, shown_path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working directory, in the home folder of a user named alice."""
    home = tmp_path / "alice"
    (home / "work" / "runs").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "work")
    return home / "work"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/home/alice/x.jsonl", "x.jsonl"),
        ("/home/alice/corpus/", "corpus"),
        ("~/x.jsonl", "x.jsonl"),
        ("~bob/x.jsonl", "x.jsonl"),
        ("~", "~"),
        ("../x.jsonl", "x.jsonl"),
        ("runs/../../alice/x.jsonl", "x.jsonl"),
        ("C:\\Users\\alice\\x.jsonl", "x.jsonl"),
        ("C:/Users/alice/x.jsonl", "x.jsonl"),
        ("\\\\server\\alice\\x.jsonl", "x.jsonl"),
        ("..\\alice\\x.jsonl", "x.jsonl"),
        # what leads nowhere else stays
        ("runs/x.jsonl", "runs/x.jsonl"),
        ("user/tang-lstm", "user/tang-lstm"),
        ("tang:valid", "tang:valid"),
        ("0.5", "0.5"),
        ("-1", "-1"),
        (".", "."),
        ("", ""),
        ("春", "春"),
        ("a\0b", "a\0b"),
    ],
)
def test_a_path_is_shortened_by_where_it_leads(project, given, shown):
    assert shown_path(given) == shown
    assert shown_argument(f"--corpus={given}") == f"--corpus={shown}"
    assert shown_argument(f"tang+{given}") == f"tang+{shown.split('/')[-1] if shown == 'x.jsonl' else shown}"


def test_the_home_folder_and_a_path_inside_given_whole(project):
    assert shown_path(str(project.parent)) == "~"
    assert shown_path(str(project / "runs" / "x.jsonl")) == "runs/x.jsonl"


def test_where_the_working_directory_holds_all_homes_a_relative_path_is_shortened_too(project, monkeypatch):
    monkeypatch.chdir(project.parent.parent)
    assert shown_path("alice/work") == "work"
    assert shown_path(str(project / "runs")) == "runs"
    assert shown_path("user/tang-lstm") == "user/tang-lstm"  # no file: a name on the Hub


@pytest.mark.parametrize(
    "words",
    [
        ["--corpus", "/home/alice/x.jsonl"],
        ["--corpus=/home/alice/x.jsonl"],
        ["--corp=/home/alice/x.jsonl"],
        ["--corpus", "tang+/home/alice/x.jsonl"],
        ["--corpus=tang + /home/alice/x.jsonl"],
        ["--corpus", "tang", "--corpus=~/alice/x.jsonl"],
        ["--exclude", "/home/alice/f1", "../alice/f2"],
        ["--init-from=/home/alice/model", "--output=/srv/alice/runs"],
        ["--preset=C:\\alice\\p.json"],
        ["/home/alice/model", "--tangshi-gpt=/home/alice/test_poems.json"],
        ["--corpus=/home/alice/a+b/x.jsonl"],
    ],
)
def test_no_command_names_a_folder_whichever_way_it_was_typed(project, words):
    shown = command_line("python train.py", words)
    assert "alice" not in shown and "home" not in shown
    assert len(shown.split()) >= len(words)


def test_a_file_whose_name_has_a_plus_is_one_path(project):
    folder = project.parent / "a+b"
    folder.mkdir()
    (folder / "x.jsonl").touch()
    assert shown_argument(f"--corpus={folder / 'x.jsonl'}") == "--corpus=x.jsonl"


def test_a_training_publishes_no_folder(tmp_path):
    """The records of a whole run, whose corpus and output were given with `=`."""
    poems = [
        f"春風{a}{b}月，山水{b}{a}雲。夜雨{a}江上，秋花{b}故人。" for a in "東西南北" for b in "天地日星"
    ]
    corpus = tmp_path / "secret" / "poems.txt"
    corpus.parent.mkdir()
    corpus.write_text("\n\n".join(poems), encoding="utf-8")
    command = [sys.executable, "train.py", f"--corpus={corpus}", f"--outp={tmp_path / 'secret' / 'model'}"]
    excluded = os.path.relpath(corpus.with_name("none.txt"), ROOT)
    command += [f"--exclude={excluded}", "--preset=tiny", "--epochs=1", "--hidden-size=8", "--no-m", "--cpu"]
    corpus.with_name("none.txt").write_text(
        "千山鳥飛絕，萬徑人蹤滅。孤舟蓑笠翁，獨釣寒江雪。", encoding="utf-8"
    )
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"POET_CACHE": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    model = tmp_path / "secret" / "model"
    assert json.loads((model / "metrics.json").read_text(encoding="utf-8"))["commands"]
    for file in model.iterdir():
        for folder in ("secret", str(Path.home())):
            assert folder.encode() not in file.read_bytes(), file
