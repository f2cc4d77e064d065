"""Checkpoints that are refused, and the logs that are cut back to the checkpoint on resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_training import (
    make_trainer,
    stop_before,
)

from poet_model import CheckpointError
from poet_model.files import append_json_line, read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.checkpoint import CHECKPOINT_NAME
from poet_model.training.log import cut_log
from poet_model.training.stopping import Interrupted


@pytest.fixture
def stopped(tmp_path) -> Path:
    """The folder of a training run that was stopped in its fifth step."""
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, stop_before(4)).train()
    return tmp_path


@pytest.mark.parametrize("settings", [{"learning_rate": 0.5}, {"epochs": 9}, {"seed": 1}, {"batch_size": 2}])
def test_a_checkpoint_of_other_settings_is_refused(stopped, settings):
    ((name, given),) = settings.items()
    trainer = make_trainer(stopped, **settings)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    words = rf"other settings \(training\.{name} was \S+ and is {given}\): give the options .* or start with"
    with pytest.raises(CheckpointError, match=words):
        trainer.load_checkpoint()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_a_checkpoint_of_another_corpus_is_refused(stopped):
    trainer = make_trainer(stopped)
    trainer.checkpoint.identity["corpus"] = {"train": 5}
    with pytest.raises(CheckpointError, match=r"other settings \(corpus\.train was \d+ and is 5\)"):
        trainer.load_checkpoint()
    trainer.checkpoint.identity["corpus"] = {}
    with pytest.raises(CheckpointError, match=r"other settings \(corpus\.train was \d+ and is None\)"):
        trainer.load_checkpoint()


HASHES = {"the vocabulary": "a1", "the poems to train on": "b2", "the test poems": "c3"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["the vocabulary"], "other data: the vocabulary differs from then"),
        (["the test poems", "the vocabulary"], "data: the vocabulary and the test poems differ from then"),
        (list(HASHES), "the vocabulary, the poems to train on and the test poems differ from then"),
    ],
)
def test_a_checkpoint_of_other_data_of_the_same_size_is_refused(tmp_path, changed, said):
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, stop_before(4), more={"content": HASHES}).train()
    make_trainer(tmp_path, more={"content": HASHES}).load_checkpoint()
    trainer = make_trainer(tmp_path, more={"content": HASHES | dict.fromkeys(changed, "d4")})
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(CheckpointError, match=said) as caught:
        trainer.load_checkpoint()
    assert f"--init-from {tmp_path} and another --output" in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_hashes_that_an_older_checkpoint_lacks_are_not_compared(stopped):
    trainer = make_trainer(stopped, more={"content": HASHES})
    trainer.load_checkpoint()
    assert trainer.state.step == 5
    trainer.save_checkpoint()
    with pytest.raises(CheckpointError, match="the vocabulary differs"):
        make_trainer(stopped, more={"content": HASHES | {"the vocabulary": "d4"}}).load_checkpoint()


def edit_state(folder: Path, change) -> None:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    change(state)
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")


def edit_tensors(folder: Path, change) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "state.safetensors")
    change(tensors)
    save_file(tensors, folder / "state.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "state.json").unlink(),
        lambda f: (f / "state.json").write_text("{", encoding="utf-8"),
        lambda f: (f / "state.json").write_text("[]", encoding="utf-8"),
        lambda f: edit_state(f, lambda state: state.pop("step")),
        lambda f: edit_state(f, lambda state: state.update(index="three")),
        lambda f: edit_state(f, lambda state: state.update(identity=None)),
        lambda f: (f / "state.safetensors").unlink(),
        lambda f: (f / "state.safetensors").write_bytes((f / "state.safetensors").read_bytes()[:-9]),
        lambda f: (f / "state.safetensors").write_bytes(b"\x80\x05pickle"),
        lambda f: edit_tensors(f, lambda t: t.pop("model.bias")),
        lambda f: edit_tensors(f, lambda t: t.pop("optimizer.exp_avg.model.bias")),
        lambda f: edit_tensors(f, lambda t: t.update({"model.bias": torch.zeros(3)})),
    ],
)
def test_a_damaged_checkpoint_is_refused(stopped, damage):
    damage(stopped / CHECKPOINT_NAME)
    with pytest.raises(CheckpointError, match=r"checkpoint"):
        make_trainer(stopped).load_checkpoint()


@pytest.mark.parametrize("name", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.7, 0.98])
def test_a_flipped_bit_is_noticed(stopped, name, share):
    path = stopped / CHECKPOINT_NAME / name
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 1
    path.write_bytes(data)
    trainer = make_trainer(stopped)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"start(ed)? with(out --resume)?"):
        trainer.load_checkpoint()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_another_value_is_noticed(stopped):
    edit_state(stopped / CHECKPOINT_NAME, lambda state: state.update(seconds=1.0))
    with pytest.raises(CheckpointError, match="its files have changed since they were written"):
        make_trainer(stopped).load_checkpoint()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"step": -5}, "step must be"),
        ({"step": 5.0}, "step must be a whole number"),
        ({"step": True}, "step must be a whole number"),
        ({"epoch": -1}, "epoch must be"),
        ({"epoch": 10**9}, "epoch must be"),
        ({"index": 10**9}, "index must be"),
        ({"index": "three"}, "index must be"),
        ({"seconds": float("inf")}, "seconds must be"),
        ({"seconds": float("nan")}, "seconds must be"),
        ({"seconds": -1.0}, "seconds must be"),
        ({"tokens": [1]}, "tokens must be"),
        ({"logged": 10**9}, "logged must be"),
        ({"validated": "one"}, "validated must be"),
        ({"best": {"loss": "low"}}, ""),
        (
            {"best": {"loss": 1.0, "step": 4, "epoch": -1, "minutes": 0, "perplexity": 3.0}},
            "best.epoch must be",
        ),
        ({"best": [1]}, ""),
        ({"losses": {"targets": 0, "sums": {}}}, "losses.targets must be"),
        ({"losses": {"targets": 5, "sums": {"loss": float("nan")}}}, "loss must be"),
        ({"losses": {"targets": 5, "sums": [1.0]}}, ""),
        ({"losses": "none"}, ""),
    ],
    ids=str,
)
def test_impossible_numbers_are_refused_also_where_there_is_no_fingerprint(stopped, change, says):
    def damage(state: dict) -> None:
        state.pop("fingerprint")
        state.update(change)

    edit_state(stopped / CHECKPOINT_NAME, damage)
    with pytest.raises(
        CheckpointError, match=rf"checkpoint is damaged .*{says}.*; delete .* and start without --resume"
    ):
        make_trainer(stopped).load_checkpoint()


def test_lines_of_the_log_with_text_for_a_step_stop_nothing(stopped):
    log = stopped / LOG_NAME
    before = read_json_lines(log)
    for step in ("nine", [9], None, float("nan"), 1e300):
        append_json_line(log, {"step": step, "split": "train", "loss": 1.0})
    make_trainer(stopped).load_checkpoint()
    kept = [record["step"] for record in read_json_lines(log)]
    assert kept[: len(before) - 1] == [record["step"] for record in before[:-1]]
    assert 1e300 not in kept


def test_nothing_to_resume(tmp_path):
    with pytest.raises(CheckpointError, match="checkpoint is missing: there is nothing to resume"):
        make_trainer(tmp_path).load_checkpoint()
    append_json_line(tmp_path / LOG_NAME, {"step": 1})
    with pytest.raises(
        CheckpointError, match="nothing to resume; start without"
    ):  # killed before its first one
        make_trainer(tmp_path).load_checkpoint()
    make_trainer(tmp_path).model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"has ended, so there is nothing to resume.*--init-from"):
        make_trainer(tmp_path).load_checkpoint()


@pytest.mark.parametrize("log_every", [2, 1000])
def test_a_loss_that_is_no_number_ends_the_training_with_advice(tmp_path, log_every):
    def break_weights(number: int) -> None:
        if number == 6:
            with torch.no_grad():
                trainer.model.bias.fill_(float("nan"))

    trainer = make_trainer(tmp_path, break_weights, log_every=log_every)
    with pytest.raises(CheckpointError, match=r"--learning-rate lower than .*last valid state"):
        trainer.train()
    assert trainer.state.step <= 8
    fresh = make_trainer(tmp_path, log_every=log_every)
    fresh.load_checkpoint()
    assert fresh.state.step == 4
    assert all(value.isfinite().all() for value in fresh.model.state_dict().values())


def test_samples_from_after_the_checkpoint_are_dropped_on_resume(stopped):
    trainer = make_trainer(stopped)
    for step in (1, 10_000):  # 10,000: written by a process that was killed before its next checkpoint
        append_json_line(stopped / "samples.jsonl", {"step": step, "text": "春"})
    trainer.load_checkpoint()
    cut_log(stopped / "samples.jsonl", trainer.state)
    assert 1 <= trainer.state.step < 10_000
    assert [record["step"] for record in read_json_lines(stopped / "samples.jsonl")] == [1]


def test_the_log_of_an_earlier_training_is_kept_on_resume(stopped):
    append_json_line(stopped / "earlier_log.jsonl", {"step": 10_000, "loss": 5.0})
    make_trainer(stopped).load_checkpoint()
    assert read_json_lines(stopped / "earlier_log.jsonl") == [{"step": 10_000, "loss": 5.0}]
    assert not (stopped / "samples.jsonl").exists()


def test_a_checkpoint_can_be_removed(stopped):
    make_trainer(stopped).remove_checkpoint()
    assert not (stopped / CHECKPOINT_NAME).exists()
