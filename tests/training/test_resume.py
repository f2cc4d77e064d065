"""A stopped and resumed training run reaches the weights of an uninterrupted one, bit for bit."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from tiny_training import (
    EPOCHS,
    assert_identical,
    losses,
    make_trainer,
    stop_before,
)

from poet_model import PoetModel
from poet_model.files import read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.checkpoint import CHECKPOINT_NAME
from poet_model.training.stopping import Interrupted
from poet_model.training.trainer import Trainer


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Trainer:
    trainer = make_trainer(tmp_path_factory.mktemp("unbroken"))
    trainer.train()
    return trainer


def test_the_training_it_is_all_compared_with_is_a_real_one(unbroken):
    steps_an_epoch = unbroken.state.step // EPOCHS
    assert unbroken.state.step == EPOCHS * steps_an_epoch > 15
    assert (
        unbroken.state.best["loss"]
        < losses(unbroken, "valid")[0][2]
        < math.log(len(unbroken.model.tokenizer)) + 1
    )
    assert unbroken.state.best["perplexity"] == pytest.approx(math.exp(unbroken.state.best["loss"]), rel=1e-4)


@pytest.mark.parametrize("stops", [[0], [1], [7], [3, 4], [2, 5, 0, 3]])
def test_a_resumed_training_equals_an_unbroken_one_bit_for_bit(unbroken, tmp_path, stops):
    for stop in stops:  # number of batches since the last resume
        trainer = make_trainer(tmp_path, stop_before(stop))
        if (tmp_path / CHECKPOINT_NAME).is_dir():
            trainer.load_checkpoint()
        done = trainer.state.step
        with pytest.raises(Interrupted, match="SIGTERM") as caught:
            trainer.train()
        assert caught.value.signum == signal.SIGTERM
        assert trainer.state.step == done + stop + 1  # the current batch is finished first
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        PoetModel.from_pretrained(tmp_path)  # there is a model to load after every stop
    trainer = make_trainer(tmp_path)
    trainer.load_checkpoint()
    trainer.train()
    assert_identical(trainer, unbroken)


def test_a_resumed_training_after_a_crash_repeats_what_was_lost(unbroken, tmp_path):
    def crash(number: int) -> None:
        if number == 11:
            raise MemoryError

    crashed = make_trainer(tmp_path, crash)
    with pytest.raises(MemoryError):
        crashed.train()
    assert crashed.state.step == 11
    trainer = make_trainer(tmp_path)
    trainer.load_checkpoint()
    assert trainer.state.step == 8
    assert max(step for step, *_ in losses(trainer, "train")) == 8
    trainer.train()
    assert_identical(trainer, unbroken)
    assert losses(trainer, "train") == losses(unbroken, "train")
    assert losses(trainer, "valid") == losses(unbroken, "valid")


def test_resuming_a_finished_training_changes_nothing(unbroken, tmp_path):
    shutil.copytree(unbroken.output, tmp_path, dirs_exist_ok=True)
    trainer = make_trainer(tmp_path)
    trainer.load_checkpoint()
    trainer.train()
    assert_identical(trainer, unbroken)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def twice(number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, twice).train()


def test_ctrl_c_and_sigterm_together_still_save(tmp_path):
    def both(number: int) -> None:  # a launcher forwards SIGINT and also sends SIGTERM
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        make_trainer(tmp_path, both).train()
    make_trainer(tmp_path).load_checkpoint()


UNEVEN = {"log_every": 3, "eval_every": 5, "checkpoint_every": 4}  # no interval is a multiple of another


def records(trainer: Trainer) -> list[dict]:
    """The lines of the log, without what depends on the time."""
    timed = ("minutes", "tokens_per_second")
    log = read_json_lines(trainer.output / LOG_NAME)
    return [{name: value for name, value in record.items() if name not in timed} for record in log]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> Trainer:
    trainer = make_trainer(tmp_path_factory.mktemp("uneven"), **UNEVEN, rhyme_memory=0.5)
    trainer.train()
    assert [r["step"] for r in records(trainer)][:6] == [3, 5, 5, 6, 9, 10]
    return trainer


@pytest.mark.parametrize("stops", [[0], [1, 1], [4], [6, 3], [8, 0, 0], [9]])
def test_the_log_of_a_resumed_training_is_that_of_an_unbroken_one_line_by_line(uneven, tmp_path, stops):
    for stop in stops:
        trainer = make_trainer(tmp_path, stop_before(stop), **UNEVEN, rhyme_memory=0.5)
        if (tmp_path / CHECKPOINT_NAME).is_dir():
            trainer.load_checkpoint()
        with pytest.raises(Interrupted):
            trainer.train()
        assert records(trainer)[-1]["split"] in ("train", "valid")  # the log shows how far it has come
    trainer = make_trainer(tmp_path, **UNEVEN, rhyme_memory=0.5)
    trainer.load_checkpoint()
    trainer.train()
    assert records(trainer) == records(uneven)
    assert trainer.state.best["step"] == uneven.state.best["step"]


class Killed(BaseException):
    """Ends a training without giving it a chance to save anything, as kill -9 does."""


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("at", ["evaluation", "model", "checkpoint"])
def test_also_when_it_is_killed_while_it_measures_or_saves(uneven, tmp_path, at, number):
    """`number`: how many validations, saved models or checkpoints it begins; of the four or five in all."""
    trainer = make_trainer(tmp_path, **UNEVEN, rhyme_memory=0.5)
    holder, name = {
        "evaluation": (trainer, "evaluate"),
        "model": (trainer, "save_best"),
        "checkpoint": (trainer.checkpoint, "save"),
    }[at]
    work, calls = getattr(holder, name), []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == number:
            raise Killed
        return work(*arguments)

    setattr(holder, name, killed)
    with pytest.raises(Killed):
        trainer.train()
    trainer = make_trainer(tmp_path, **UNEVEN, rhyme_memory=0.5)
    if (tmp_path / CHECKPOINT_NAME).is_dir():  # otherwise nothing at all was saved
        trainer.load_checkpoint()
    trainer.train()
    assert records(trainer) == records(uneven)
    assert_identical(trainer, uneven)


def test_a_training_that_is_killed_in_its_first_step_can_be_resumed(uneven, tmp_path):
    def kill(number: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        make_trainer(tmp_path, kill, **UNEVEN, rhyme_memory=0.5).train()
    trainer = make_trainer(tmp_path, **UNEVEN, rhyme_memory=0.5)
    trainer.load_checkpoint()
    assert trainer.state.step == 0
    trainer.train()
    assert records(trainer) == records(uneven)
    assert_identical(trainer, uneven)


def test_nothing_is_measured_twice_after_a_finished_training(uneven, tmp_path):
    shutil.copytree(uneven.output, tmp_path, dirs_exist_ok=True)
    trainer = make_trainer(tmp_path, **UNEVEN, rhyme_memory=0.5)
    trainer.load_checkpoint()
    trainer.train()
    assert records(trainer) == records(uneven)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from poet_model.training.stopping import Interrupted
from tiny_training import make_trainer
try:
    make_trainer(Path(sys.argv[1]), epochs=1_000_000, eval_every=100_000).train()
except Interrupted as interrupted:
    sys.exit(128 + interrupted.signum)
"""


def test_sigterm_leaves_a_folder_that_can_be_resumed(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / LOG_NAME).exists() and process.poll() is None:
            time.sleep(0.05)
        process.terminate()
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, errors
    PoetModel.from_pretrained(tmp_path)
    trainer = make_trainer(tmp_path, stop_before(2), epochs=1_000_000, eval_every=100_000)
    trainer.load_checkpoint()
    step = trainer.state.step
    assert step >= 2
    with pytest.raises(Interrupted):
        trainer.train()
    assert trainer.state.step == step + 3


@pytest.mark.parametrize("stop", [3, 14])
def test_a_resumed_training_with_sampled_softmax_is_the_unbroken_one(tmp_path, stop):
    settings = {"softmax_frequent": 9, "softmax_sampled": 5, "softmax_exact": 0.3}
    whole = make_trainer(tmp_path / "whole", **settings)
    whole.train()
    with pytest.raises(Interrupted):
        make_trainer(tmp_path / "parts", stop_before(stop), **settings).train()
    resumed = make_trainer(tmp_path / "parts", **settings)
    resumed.load_checkpoint()
    resumed.train()
    assert_identical(resumed, whole)


def test_resume_with_a_rhyme_memory_is_exact(tmp_path):
    settings = {"rhyme_memory": 0.5}
    unbroken = make_trainer(tmp_path / "unbroken", **settings)
    unbroken.train()
    with pytest.raises(Interrupted):
        make_trainer(tmp_path / "broken", stop_before(5), **settings).train()
    resumed = make_trainer(tmp_path / "broken", **settings)
    resumed.load_checkpoint()
    resumed.train()
    assert_identical(unbroken, resumed)
    for name, value in unbroken.objective.state_dict().items():
        assert torch.equal(value, resumed.objective.state_dict()[name]), name
    plain = make_trainer(tmp_path / "plain")
    plain.train()
    assert not torch.equal(plain.model.embedding.weight, unbroken.model.embedding.weight)
