"""One training run at a time in an output folder, and what is said when the system or a person ends one."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from tiny_training import make_trainer

from poet_model import CheckpointError, PoetModel
from poet_model.errors import InvalidValueError
from poet_model.training.output_lock import OutputLock

HOLDER = """
import sys, time
from pathlib import Path
from poet_model.training.output_lock import OutputLock
with OutputLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process, which holds the lock of tmp_path / "run"."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_training_in_the_same_folder_is_refused_and_changes_nothing(tmp_path, holder):
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    with pytest.raises(InvalidValueError, match=rf"another training writes to .*process {holder.pid} on"):
        make_trainer(tmp_path / "run").train()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
    make_trainer(tmp_path / "another").train()


@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
def test_a_killed_training_leaves_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    make_trainer(tmp_path / "run").train()
    assert not list((tmp_path / "run").glob(".*"))


def test_the_lock_outlasts_the_saves_that_replace_the_folder(tmp_path, tiny_model):
    with OutputLock(tmp_path / "run") as lock:
        tiny_model.save_pretrained(tmp_path / "run")
        lock.check()
        with pytest.raises(InvalidValueError, match="another training"), OutputLock(tmp_path / "run"):
            pytest.fail("it was held")
    PoetModel.from_pretrained(tmp_path / "run")


def test_a_folder_in_which_nothing_was_saved_does_not_stay(tmp_path):
    with OutputLock(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with OutputLock(tmp_path / "mine"):
        pass
    assert list((tmp_path / "mine").iterdir()) == []


def delete(folder: Path) -> None:
    shutil.rmtree(folder)


def move(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def replace(folder: Path) -> None:
    move(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("change", "says"), [(delete, "deleted or moved"), (move, "deleted or moved"), (replace, "in its place")]
)
def test_a_folder_that_is_gone_or_another_ends_the_training_and_is_left_alone(tmp_path, change, says):
    folder = tmp_path / "run"
    trainer = make_trainer(folder, lambda number: change(folder) if number == 6 else None)
    with pytest.raises(CheckpointError, match=f"not the folder that this training began with: .*{says}"):
        trainer.train()
    assert trainer.state.step <= 8
    assert not folder.exists() or not list(folder.iterdir())


def test_a_file_that_would_grow_too_large_is_one_sentence_that_says_what_is_saved(tmp_path):
    """As after `ulimit -f`; a full disk takes the same way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(number: int) -> None:
        if number == 6:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))

    trainer = make_trainer(tmp_path / "run", limit)
    try:
        with pytest.raises(CheckpointError) as caught:
            trainer.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder = tmp_path / "run"
    assert str(caught.value) == (
        f"training ended at step 8: {folder / 'checkpoint'} cannot be written (File too large); "
        f"{folder / 'checkpoint'} has the last valid state, of step 4, and {folder} the model of step 5. "
        "To continue, mend that and add --resume"
    )
    assert sorted(path.name for path in folder.glob(".*")) == []
    PoetModel.from_pretrained(folder)
    resumed = make_trainer(folder)
    resumed.load_checkpoint()
    assert resumed.state.step == 4
    resumed.train()


@pytest.mark.root
def test_a_full_disk_is_one_sentence(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)], check=True)

    def fill(number: int) -> None:
        if number == 6:
            with open(folder / "other", "wb") as file, pytest.raises(OSError):
                file.write(b"x" * 1_000_000)

    try:
        says = r"cannot be written \(No space left on device\); .* of step 4, and"
        with pytest.raises(CheckpointError, match=says):
            make_trainer(folder, fill).train()
        PoetModel.from_pretrained(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.root
def test_a_read_only_disk_is_found_out_before_the_training(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)], check=True)
    try:
        with pytest.raises(InvalidValueError, match=r"cannot be written to \(Read-only file system\)"):
            make_trainer(folder, lambda number: pytest.fail("it trains")).train()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
def test_a_training_into_a_mount_point_saves_its_model(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=True)
    try:
        trainer = make_trainer(folder)
        trainer.train()
        assert not list(folder.glob(".*"))
        make_trainer(folder).load_checkpoint()
        PoetModel.from_pretrained(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
