"""Folders are replaced atomically: at any moment they have the old or the new content."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT

from poet_model import CheckpointError, folders

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
WRITER = """
import os, signal, sys
from itertools import count
from pathlib import Path
from poet_model.folders import replaced_folder
for number in count():
    with replaced_folder(Path(sys.argv[1])) as fresh:
        (fresh / "first").write_text(str(number) * 100_000, encoding="utf-8")
        if sys.argv[2] == "inside":
            os.kill(os.getpid(), signal.SIGKILL)
        (fresh / "second").write_text(str(number) * 100_000, encoding="utf-8")
    print(number, flush=True)
"""


def content(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_a_new_folder_takes_the_place_of_the_old_and_keeps_foreign_files(tmp_path):
    folder = tmp_path / "model"
    (folder / "mine" / "deep").mkdir(parents=True)
    (folder / "mine" / "deep" / "note.txt").write_text("keep", encoding="utf-8")
    (folder / "mine" / "both.txt").write_text("old", encoding="utf-8")
    (folder / "weights").write_text("old", encoding="utf-8")
    (folder / "link").symlink_to("weights")
    with folders.replaced_folder(folder) as fresh:
        assert fresh != folder
        (fresh / "weights").write_text("new", encoding="utf-8")
        (fresh / "mine").mkdir()
        (fresh / "mine" / "both.txt").write_text("new", encoding="utf-8")
        assert (folder / "weights").read_text(encoding="utf-8") == "old"
    assert (folder / "weights").read_text(encoding="utf-8") == "new"
    assert (folder / "mine" / "both.txt").read_text(encoding="utf-8") == "new"
    assert (folder / "mine" / "deep" / "note.txt").read_text(encoding="utf-8") == "keep"
    assert os.readlink(folder / "link") == "weights"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_block_that_fails_changes_nothing(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), folders.replaced_folder(folder) as fresh:
        (fresh / "weights").write_text("new", encoding="utf-8")
        raise ZeroDivisionError
    assert content(folder) == {"weights": "old"}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_first_block_that_fails_makes_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), folders.replaced_folder(tmp_path / "new" / "model"):
        raise ZeroDivisionError
    assert list((tmp_path / "new").iterdir()) == []


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    with folders.replaced_folder(tmp_path / "link") as fresh:
        (fresh / "new").write_text("new", encoding="utf-8")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == {"old": "old", "new": "new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.parametrize("name", ["file", "file/model"])
def test_a_file_in_the_way_is_an_error_and_stays(tmp_path, name):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(CheckpointError, match="file"), folders.replaced_folder(tmp_path / name):
        pytest.fail("the block must not run")
    assert content(tmp_path) == {"file": "mine"}


def test_two_renames_do_where_the_system_cannot_swap(tmp_path, monkeypatch):
    monkeypatch.setattr(folders.ctypes, "CDLL", lambda *args, **options: SimpleNamespace())
    for text in ("old", "new"):
        with folders.replaced_folder(tmp_path / "model") as fresh:
            (fresh / "weights").write_text(text, encoding="utf-8")
    assert content(tmp_path / "model") == {"weights": "new"}
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def writer(folder, when):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), when], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@POSIX_ONLY
def test_kill_9_inside_the_block_leaves_the_old_folder_whole(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "first").write_text("old", encoding="utf-8")
    process = writer(folder, "inside")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert content(folder) == {"first": "old"}


@POSIX_ONLY
def test_kill_9_at_any_moment_leaves_one_whole_folder(tmp_path):
    folder = tmp_path / "model"
    for delay in range(8):
        process = writer(folder, "outside")
        assert process.stdout.readline() == "0\n"  # it has saved once and keeps saving
        time.sleep(0.003 * delay)
        process.kill()
        process.communicate(timeout=60)
        found = content(folder)
        assert sorted(found) == ["first", "second"]
        assert found["first"] == found["second"]
