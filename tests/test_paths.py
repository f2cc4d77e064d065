"""What is published names no folder of the user's machine, however the path was given."""

from __future__ import annotations

import pytest

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
