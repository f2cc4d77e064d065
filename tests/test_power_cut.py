"""A training folder at the moment of a power cut: it holds the old or the new model, and can be resumed.

A training writes to an ext4 image on a loop device. The image file is copied as it lies, which is all that a
disk would have after a power cut; the copy is mounted, so that ext4 replays its journal. This needs root.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from tiny_training import make_trainer

from poet_model import PoetModel
from poet_model.files import read_json, read_json_lines
from poet_model.model_folder import LOG_NAME

MOMENTS = 20
TRAINING = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from tiny_training import make_trainer
from poet_model.files import write_text
trainer = make_trainer(Path(sys.argv[1]), epochs=1_000_000, log_every=1, eval_every=4, checkpoint_every=3)
save_best = trainer.save_best
def save(model, record):  # after each validation, so that every moment finds a save at work
    save_best(model, record)
    write_text(trainer.output / "metrics.json", '{"loss": %f}' % record["loss"])
    trainer.state.best = {}
trainer.save_best = save
trainer.train()
"""


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


@contextlib.contextmanager
def mounted(image: Path, folder: Path, options: str = ""):
    folder.mkdir(exist_ok=True)
    run("mount", "-o", f"loop{options}", image, folder)
    try:
        yield folder
    finally:
        run("umount", "--lazy", folder)  # what was read from it may still be in use


@pytest.mark.root
@pytest.mark.timeout(300)
def test_twenty_power_cuts_leave_a_whole_model_and_a_checkpoint(tmp_path):
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(48 << 20)
    run("mkfs.ext4", "-q", "-F", image)
    damage, steps = [], set()
    # a commit of the journal each second makes dangerous moments frequent; they exist with the usual 5 s, too
    with mounted(image, tmp_path / "now", ",commit=1,noauto_da_alloc") as now:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        training = subprocess.Popen(
            [sys.executable, "-c", TRAINING, str(now / "model")],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            while (
                not (now / "model" / "metrics.json").exists() or not (now / "model" / "checkpoint").exists()
            ):
                assert training.poll() is None
                time.sleep(0.05)
            os.sync()
            for moment in range(MOMENTS):
                time.sleep(0.3 + 0.07 * moment)
                training.send_signal(signal.SIGSTOP)
                copy = tmp_path / f"copy {moment}"  # a loop device may still hold the last one
                run("cp", "--sparse=always", image, copy)
                training.send_signal(signal.SIGCONT)
                with mounted(copy, tmp_path / "then") as then:
                    try:
                        PoetModel.from_pretrained(then / "model")
                        read_json(then / "model" / "metrics.json", dict)
                        trainer = make_trainer(
                            then / "model", epochs=1_000_000, log_every=1, eval_every=4, checkpoint_every=3
                        )
                        trainer.load_checkpoint()
                        logged = {
                            r["step"]
                            for r in read_json_lines(then / "model" / LOG_NAME)
                            if r["split"] == "train"
                        }
                        assert logged == set(range(1, trainer.state.step + 1)), "the log lacks steps"
                        steps.add(trainer.state.step)
                    except Exception as error:
                        damage.append(f"moment {moment}: {error}")
        finally:
            training.kill()
            training.wait()
    assert not damage, "\n".join(damage)
    assert len(steps) > MOMENTS // 2  # the training went on between the moments
