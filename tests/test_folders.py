"""Folders are replaced atomically: at any moment they have the old or the new content."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from poet_model import CheckpointError, PoetModel, folders

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


@pytest.fixture
def flushed(monkeypatch) -> list:
    """What is at each path, and beside the folder `model`, whenever os.fsync is called."""
    calls, fsync = [], os.fsync

    def record(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        folder = next(each for each in (path, *path.parents) if (each / "model").is_dir()) / "model"
        beside = [each for each in folder.parent.glob(".model.*.tmp") if each.is_dir()]
        calls.append((path, content(folder).get("weights"), [content(each) for each in beside]))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return calls


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of open files from /proc")
def test_the_new_folder_is_on_the_disk_before_the_swap_and_the_swap_before_the_old_one_goes(
    tmp_path, flushed
):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("weights", "note"):
        (folder / name).write_text("old", encoding="utf-8")
    with folders.replaced_folder(folder) as fresh:
        (fresh / "weights").write_text("new", encoding="utf-8")
    before = [path for path, weights, _ in flushed if weights == "old"]
    assert {path.name for path in before[:-1]} == {"weights", "note"} and before[-1] == fresh
    (after,) = [call for call in flushed if call[1] == "new"]
    assert after == (tmp_path, "new", [{"weights": "old", "note": "old"}])
    assert content(folder) == {"weights": "new", "note": "old"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of open files from /proc")
def test_the_folders_above_a_new_folder_are_on_the_disk(tmp_path, flushed):
    (tmp_path / "model").mkdir()
    with folders.replaced_folder(tmp_path / "runs" / "mine" / "new") as fresh:
        (fresh / "weights").write_text("new", encoding="utf-8")
    paths = [path for path, *_ in flushed]
    assert {tmp_path, tmp_path / "runs", tmp_path / "runs" / "mine"} <= set(paths)
    assert paths[-1] == tmp_path / "runs" / "mine"


def test_in_the_working_directory_the_files_are_moved_and_foreign_ones_stay(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    for name in ("weights", "note", "deep/old", "deep/both"):
        (folder / name).write_text("old", encoding="utf-8")
    monkeypatch.chdir(folder)
    with folders.replaced_folder(folder) as fresh:
        assert fresh.parent == folder
        (fresh / "deep").mkdir()
        for name in ("weights", "deep/both", "deep/new"):
            (fresh / name).write_text("new", encoding="utf-8")
    found = {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in folder.rglob("*")
        if p.is_file()
    }
    assert found == {
        "weights": "new",
        "note": "old",
        "deep/old": "old",
        "deep/both": "new",
        "deep/new": "new",
    }
    assert Path.cwd() == folder and list(tmp_path.iterdir()) == [folder]


def cut_off(folder, monkeypatch) -> None:
    """Saves a folder that the process works in; the power fails when the first file has been moved."""
    moved, replace = [], os.replace

    def fail(source, target) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(replace(source, target))

    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(os, "replace", fail)
        with pytest.raises(KeyboardInterrupt), folders.replaced_folder(folder) as fresh:
            for name in ("first", "second", "third"):
                (fresh / name).write_text("new", encoding="utf-8")


@pytest.fixture
def half_saved(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("first", "second", "third", "note"):
        (folder / name).write_text("old", encoding="utf-8")
    cut_off(folder, monkeypatch)
    states = [(folder / name).read_text(encoding="utf-8") for name in ("first", "second", "third")]
    assert sorted(states) == ["new", "old", "old"]
    return folder


def test_a_save_that_was_cut_off_between_two_files_is_finished_by_a_reader(half_saved):
    found = folders.read_steadily(half_saved, lambda: content(half_saved))
    assert found == {"first": "new", "second": "new", "third": "new", "note": "old"}


def test_and_by_the_next_save(half_saved):
    with folders.replaced_folder(half_saved) as fresh:
        (fresh / "first").write_text("newest", encoding="utf-8")
    assert content(half_saved) == {"first": "newest", "second": "new", "third": "new", "note": "old"}


def test_a_first_model_whose_save_was_cut_off_is_loaded(tmp_path, tiny_model):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder)
    (folder / ".save.complete").mkdir()
    for name in ("config.json", "tokenizer.json"):  # they wait for their turn
        (folder / name).rename(folder / ".save.complete" / name)
    loaded = PoetModel.from_pretrained(folder)
    assert loaded.generate("月", temperature=0).text == tiny_model.generate("月", temperature=0).text
    assert not (folder / ".save.complete").exists()


def test_a_link_is_not_taken_for_a_save_that_was_cut_off(half_saved, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("private", encoding="utf-8")
    (half_saved / ".save.complete").rename(tmp_path / "away")
    (half_saved / ".save.complete").symlink_to(tmp_path / "mine")
    folders.read_steadily(half_saved, lambda: None)
    assert (tmp_path / "mine" / "letter").exists() and not (half_saved / "letter").exists()


@POSIX_ONLY
def test_what_a_killed_process_left_is_removed_by_the_next_save_and_not_carried_along(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "first").write_text("old", encoding="utf-8")
    for target in (folder, folder / "checkpoint"):
        writer(target, "inside").communicate(timeout=60)
    (folder / ".metrics.json.4711.tmp").write_text("half", encoding="utf-8")
    (folder / ".metrics.json.4711-99.tmp").write_text("half", encoding="utf-8")
    (folder / ".mine.tmp").write_text("not ours", encoding="utf-8")
    os.mkfifo(folder / ".pipe.4711.tmp")  # is not waited for
    assert len(list(tmp_path.iterdir())) == 2 and len(list(folder.iterdir())) == 6
    with folders.replaced_folder(folder) as fresh:
        (fresh / "second").write_text("new", encoding="utf-8")
    assert content(folder) == {"first": "old", "second": "new", ".mine.tmp": "not ours"}
    assert list(tmp_path.iterdir()) == [folder]


@POSIX_ONLY
def test_temporary_folders_in_use_are_left_alone(tmp_path):
    with folders.replaced_folder(tmp_path / "model") as slow:
        (slow / "weights").write_text("slow", encoding="utf-8")
        with folders.replaced_folder(tmp_path / "model") as fast:
            (fast / "weights").write_text("fast", encoding="utf-8")
        assert content(slow) == {"weights": "slow"}
        assert content(tmp_path / "model") == {"weights": "fast"}
    assert content(tmp_path / "model") == {"weights": "slow"}


def test_the_old_folder_comes_back_after_a_kill_between_two_renames(tmp_path):
    old = tmp_path / ".model.abcdefgh.tmp.old"
    old.mkdir()
    (old / "first").write_text("old", encoding="utf-8")
    (tmp_path / ".model.v2.abcdefgh.tmp.old").mkdir()  # of another folder
    with folders.replaced_folder(tmp_path / "model") as fresh:
        (fresh / "second").write_text("new", encoding="utf-8")
    assert content(tmp_path / "model") == {"first": "old", "second": "new"}
    assert {path.name for path in tmp_path.iterdir()} == {"model", ".model.v2.abcdefgh.tmp.old"}


def test_an_error_of_the_system_names_the_folder_and_leaves_the_old_one(tmp_path):
    folder = tmp_path / "model"
    for text in ("old", "new"):
        try:
            with folders.replaced_folder(folder) as fresh:
                (fresh / "first").write_text(text, encoding="utf-8")
                if text == "new":
                    raise OSError(28, "No space left on device", str(fresh / "second"))
        except OSError as error:
            assert (error.errno, error.filename) == (28, str(folder))
    assert content(folder) == {"first": "old"}
    assert list(tmp_path.iterdir()) == [folder]


def in_another_process(user: int, work) -> None:
    """Runs `work()` in a process of another user."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setuid(user)
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.root
def test_a_folder_in_a_folder_of_another_user_is_replaced_file_by_file():
    with tempfile.TemporaryDirectory() as parent:  # pytest's own folder is closed to others
        os.chmod(parent, 0o755)
        folder = Path(parent, "model")
        folder.mkdir()
        os.chown(folder, 65534, 65534)

        def save() -> None:
            for text in ("old", "new"):
                with folders.replaced_folder(folder) as fresh:
                    (fresh / "weights").write_text(text, encoding="utf-8")

        in_another_process(65534, save)
        assert content(folder) == {"weights": "new"}
        assert os.listdir(parent) == ["model"]


@pytest.mark.root
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_mount_point_is_replaced_file_by_file(tmp_path, kind):
    folder, other = tmp_path / "model", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    words = ["-t", "tmpfs", "none"] if kind == "tmpfs" else ["--bind", str(other)]
    subprocess.run(["mount", *words, str(folder)], check=True)
    try:
        for text in ("old", "new"):
            with folders.replaced_folder(folder) as fresh:
                (fresh / "weights").write_text(text, encoding="utf-8")
        assert content(folder) == {"weights": "new"}
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]
