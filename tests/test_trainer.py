"""The training loop: exact resume, the same update however a batch is split, clear ends."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import POEMS, ROOT

from poet_model import CheckpointError, InvalidValueError, PoetConfig, PoetModel, PoetTokenizer
from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import (
    IGNORE,
    Batch,
    HeaderRates,
    PoemBatches,
)
from poet_model.files import append_json_line, read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.prosody.readings import readings
from poet_model.training.checkpoint import CHECKPOINT_NAME
from poet_model.training.config import TrainingConfig
from poet_model.training.cross_entropy import CHUNK, LinearCrossEntropy
from poet_model.training.log import drop_records_after
from poet_model.training.malloc import return_freed_memory
from poet_model.training.poem_objective import PoemObjective
from poet_model.training.rhyme_memory import RhymeMemory
from poet_model.training.stopping import Interrupted
from poet_model.training.trainer import Trainer

RECORDS = [
    PoemRecord(text, title, author) for text in POEMS for title in ("月", "") for author in ("李白", "")
]
EPOCHS = 3


def make_tokenizer() -> PoetTokenizer:
    return PoetTokenizer.from_texts(POEMS, min_count=1, required="，。五七絕律李白")


def make_model(dropout: float = 0.3) -> PoetModel:
    torch.manual_seed(11)
    tokenizer = make_tokenizer()
    rates = {"input_dropout": dropout, "layer_dropout": dropout, "output_dropout": dropout}
    return PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2, **rates), tokenizer)


def next_character_loss(model: PoetModel, batch: Batch) -> torch.Tensor:
    """The whole softmax's loss, summed over the scored targets."""
    objective = PoemObjective(model)
    return objective(objective.prepare(batch)).total


class Hooked:
    """Batches that call `hook(number)` before each batch, counted over all epochs from 0."""

    def __init__(self, batches: PoemBatches, hook):
        self.batches, self.hook, self.number = batches, hook, 0

    def epoch(self, number: int) -> Hooked:
        self.plan = self.batches.epoch(number)
        return self

    def __len__(self) -> int:
        return len(self.plan)

    def batch(self, index: int):
        self.hook(self.number)
        self.number += 1
        return self.plan.batch(index)


def make_trainer(
    output: Path, hook=lambda number: None, *, dropout: float = 0.3, more: dict | None = None, **settings
) -> Trainer:
    """A Trainer of a tiny model, with `more` arguments, and `settings` of its recipe."""
    model = make_model(dropout)
    settings = {
        "epochs": EPOCHS, "batch_size": 3, "learning_rate": 0.01, "log_every": 2, "eval_every": 5,
        "checkpoint_every": 4, "input_mask": 0.1,
    } | settings  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    batches = PoemBatches(RECORDS, model.tokenizer, batch_size=3, header=HeaderRates())
    held_out = PoemBatches(RECORDS[:2], model.tokenizer, batch_size=1).epoch(0).batch(0)
    targets = int((held_out.targets != IGNORE).sum())

    def evaluate(model: PoetModel) -> dict:
        return {"loss": next_character_loss(model, held_out).item() / targets}

    config = TrainingConfig(**settings)
    return Trainer(
        PoemObjective.from_config(model, config),
        Hooked(batches, hook),
        evaluate=evaluate,
        save_best=lambda model, record: model.save_pretrained(output),
        config=config,
        output=output,
        identity={"corpus": {"train": len(RECORDS)}},
        **(more or {}),
    )


def optimizer_state(trainer: Trainer) -> dict[str, torch.Tensor]:
    state = trainer.updater.optimizer.state
    return {
        f"{key}.{name}": value
        for name, parameter in trainer.model.named_parameters()
        for key, value in state[parameter].items()
    }


def assert_identical(first: Trainer, second: Trainer) -> None:
    for mine, others in (
        (first.model.state_dict(), second.model.state_dict()),
        (optimizer_state(first), optimizer_state(second)),
    ):
        assert list(mine) == list(others)
        for name, value in mine.items():
            assert torch.equal(value, others[name]), name
    assert (first.state.step, first.state.epoch, first.state.index) == (
        second.state.step,
        second.state.epoch,
        second.state.index,
    )
    untimed = ({k: v for k, v in trainer.state.best.items() if k != "minutes"} for trainer in (first, second))
    assert next(untimed) == next(untimed)


def stop_before(number: int, signum: int = signal.SIGTERM):
    def hook(at: int) -> None:
        if at == number:
            signal.raise_signal(signum)

    return hook


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Trainer:
    trainer = make_trainer(tmp_path_factory.mktemp("unbroken"))
    trainer.train()
    return trainer


def losses(trainer: Trainer, split: str) -> list[tuple]:
    log = read_json_lines(trainer.output / LOG_NAME)
    return [(r["step"], r["epoch"], r["loss"]) for r in log if r["split"] == split]


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
    for stop in stops:  # batches after the last resume
        trainer = make_trainer(tmp_path, stop_before(stop))
        if (tmp_path / CHECKPOINT_NAME).is_dir():
            trainer.load_checkpoint()
        done = trainer.state.step
        with pytest.raises(Interrupted, match="SIGTERM") as caught:
            trainer.train()
        assert caught.value.signum == signal.SIGTERM
        assert trainer.state.step == done + stop + 1  # the batch under way is finished
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        PoetModel.from_pretrained(tmp_path)  # whatever happens, there is a model to load
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
    def both(number: int) -> None:  # a launcher passes one on and sends the other
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        make_trainer(tmp_path, both).train()
    make_trainer(tmp_path).load_checkpoint()


def captured_update(tmp_path: Path, **settings) -> tuple[dict, dict, Trainer]:
    """Gradients (before clipping matters) and weights of the first update."""
    trainer = make_trainer(
        tmp_path,
        dropout=0.0,
        input_mask=0.0,
        max_grad_norm=1e9,
        eval_every=1000,
        checkpoint_every=1000,
        **settings,
    )
    named = dict(trainer.model.named_parameters())
    if settings.get("rhyme_memory"):
        named |= dict(trainer.objective.rhyme_memory.named_parameters())
    names = {parameter: name for name, parameter in named.items()}
    gradients = {}

    def read(optimizer, *_) -> None:
        gradients.update({names[p]: p.grad.clone() for g in optimizer.param_groups for p in g["params"]})

    trainer.updater.optimizer.register_step_pre_hook(read)
    trainer.model.train()
    trainer.update(PoemBatches(RECORDS, trainer.model.tokenizer, batch_size=8).epoch(0).batch(0), 0.01)
    return gradients, {n: p.detach().clone() for n, p in named.items()}, trainer


def test_one_update_has_the_gradient_of_the_mean_over_scored_targets(tmp_path):
    gradients, _, _ = captured_update(tmp_path)
    model = make_model(dropout=0.0)
    batch = PoemBatches(RECORDS, model.tokenizer, batch_size=8).epoch(0).batch(0)
    inputs, targets = map(torch.from_numpy, batch)
    logits, _ = model(inputs)
    F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE).backward()
    assert len(gradients) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rhyme_memory", [0.0, 0.5])
@pytest.mark.parametrize("parts", [2, 3, 8, 20])
def test_gradient_accumulation_is_the_same_update(tmp_path, parts, rhyme_memory):
    task = {"rhyme_memory": rhyme_memory}
    whole, whole_weights, _ = captured_update(tmp_path / "whole", **task)
    split, split_weights, _ = captured_update(tmp_path / "split", gradient_accumulation_steps=parts, **task)
    for name, gradient in whole.items():
        torch.testing.assert_close(split[name], gradient, atol=1e-6, rtol=0)
        clear = gradient.abs() > 1e-5  # Adam's first step goes by the sign, which rounding decides near 0
        assert clear.any()
        torch.testing.assert_close(split_weights[name][clear], whole_weights[name][clear], atol=1e-6, rtol=0)


def test_gradients_are_clipped(tmp_path):
    trainer = make_trainer(tmp_path, max_grad_norm=0.01)
    norms = []

    def read(optimizer, *_) -> None:
        gradients = [p.grad.flatten() for g in optimizer.param_groups for p in g["params"]]
        norms.append(torch.cat(gradients).norm().item())

    trainer.updater.optimizer.register_step_pre_hook(read)
    trainer.train()
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_freed_memory_goes_back_with_every_checkpoint(tmp_path):
    returned = []
    more = {"release_memory": lambda: returned.append(trainer.state.step)}
    trainer = make_trainer(tmp_path, more=more, checkpoint_every=4)
    assert make_trainer(tmp_path).release_memory is return_freed_memory
    trainer.train()
    assert returned == list(range(4, trainer.state.step + 1, 4)) and len(returned) > 2


def test_weight_decay_acts_on_matrices_only(tmp_path):
    start = make_model().state_dict()
    _, without, _ = captured_update(tmp_path / "without", weight_decay=0.0)
    _, with_decay, trainer = captured_update(tmp_path / "with", weight_decay=5.0)
    for name, value in with_decay.items():
        expected = without[name] - (0.01 * 5.0 * start[name] if value.ndim == 2 else 0)
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
    groups = trainer.updater.optimizer.param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(trainer.model.parameters()))


def test_learning_rate_schedule():
    config = TrainingConfig(learning_rate=0.002, warmup=0.1)
    assert config.rate(0) == pytest.approx(0.00002)
    assert config.rate(0.05) == pytest.approx(0.00101)
    assert config.rate(0.1) == pytest.approx(0.002)
    assert config.rate(0.55) == pytest.approx(0.001)  # half of the cosine
    assert config.rate(0.1 + 0.9 / 3) == pytest.approx(0.0015)
    assert config.rate(1) == pytest.approx(0, abs=1e-12)
    assert TrainingConfig(warmup=0).rate(0) == TrainingConfig().learning_rate


def test_the_schedule_is_what_the_optimizer_gets(tmp_path):
    trainer = make_trainer(tmp_path, warmup=0.2)
    rates = []
    trainer.updater.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append({group["lr"] for group in optimizer.param_groups})
    )
    trainer.train()
    expected = [trainer.config.rate(step / trainer.state.step) for step in range(trainer.state.step)]
    assert [rate.pop() for rate in rates] == pytest.approx(expected)


def test_a_time_limit_ends_the_schedule(tmp_path):
    trainer = make_trainer(tmp_path, lambda _: time.sleep(0.02), epochs=100_000, max_minutes=0.5 / 60)
    started = time.perf_counter()
    best = trainer.train()
    assert time.perf_counter() - started < 60
    assert 0 < trainer.state.step < 100
    assert trainer.state.epoch < 99
    last = read_json_lines(tmp_path / LOG_NAME)[-1]
    assert (last["split"], last["step"]) == ("valid", trainer.state.step)
    assert best["loss"] <= last["loss"]


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"batch_size": 0}, {"gradient_accumulation_steps": 0}, {"log_every": 0}, {"warmup": 1.0},
     {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"max_grad_norm": float("inf")},
     {"softmax_frequent": -1}, {"softmax_sampled": 0}, {"softmax_exact": 1.5},
     {"input_mask": 1.0}, {"weight_decay": -1.0}, {"max_minutes": 0.0}, {"max_minutes": float("inf")},
     {"epochs": 2.5}, {"epochs": "3"}, {"epochs": None}, {"batch_size": True}, {"seed": 0.5}, {"seed": -1},
     {"seed": 2**32}, {"learning_rate": "0.1"}, {"checkpoint_every": [5]}, {"rhyme_memory": False}],
    ids=str,
)  # fmt: skip
def test_impossible_settings(settings):
    with pytest.raises(InvalidValueError, match=next(iter(settings))):
        TrainingConfig(**settings)


@pytest.fixture
def stopped(tmp_path) -> Path:
    """The folder of a training stopped in its fifth step."""
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, stop_before(4)).train()
    return tmp_path


@pytest.mark.parametrize("settings", [{"learning_rate": 0.5}, {"epochs": 9}, {"seed": 1}, {"batch_size": 2}])
def test_a_checkpoint_of_other_settings_is_refused(stopped, settings):
    ((name, given),) = settings.items()
    trainer = make_trainer(stopped, **settings)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    words = rf"other settings \(training\.{name} was \S+ and is {given}\): give the options .* or start anew"
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


def test_nothing_to_resume(tmp_path):
    with pytest.raises(CheckpointError, match="checkpoint is missing: there is nothing to resume"):
        make_trainer(tmp_path).load_checkpoint()
    append_json_line(tmp_path / LOG_NAME, {"step": 1})
    with pytest.raises(CheckpointError, match=r"has ended, so there is nothing to resume.*--init-from"):
        make_trainer(tmp_path).load_checkpoint()


@pytest.mark.parametrize("log_every", [2, 1000])
def test_a_loss_that_is_no_number_ends_the_training_with_advice(tmp_path, log_every):
    def break_weights(number: int) -> None:
        if number == 6:
            with torch.no_grad():
                trainer.model.bias.fill_(float("nan"))

    trainer = make_trainer(tmp_path, break_weights, log_every=log_every)
    with pytest.raises(CheckpointError, match=r"lower --learning-rate.*last sound state"):
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
    drop_records_after(stopped / "samples.jsonl", trainer.state.step)
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


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from poet_model.training.stopping import Interrupted
from test_trainer import make_trainer
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


def test_the_loss_is_cross_entropy_over_all_positions():
    model = make_model(dropout=0.0)
    batches = PoemBatches(RECORDS, model.tokenizer, batch_size=16, header=HeaderRates())
    for batch in batches.epoch(0):
        inputs, targets = map(torch.from_numpy, batch)
        logits, _ = model(inputs)
        expected = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
        )
        assert (targets == IGNORE).any()
        torch.testing.assert_close(next_character_loss(model, batch), expected)


def without_targets(batch: Batch) -> Batch:
    return Batch(batch.inputs, np.full_like(batch.targets, IGNORE))


@pytest.mark.parametrize("sampled", [False, True])
def test_a_batch_without_targets_costs_nothing(sampled):
    """A process without a row joins in with one."""
    model = make_model()
    objective = PoemObjective(model, softmax_frequent=9, softmax_sampled=5)
    objective.samples_softmax = sampled
    for batch, part in ((without_targets(a_batch(model)), {}), (a_batch(model), {"part": 99, "parts": 100})):
        losses = objective(objective.prepare(batch, rng=np.random.default_rng(0), **part))
        assert losses.total == losses.named["loss"] == 0
        losses.total.backward()
    assert all(not parameter.grad.any() for parameter in model.parameters())


def sampled_loss(model: PoetModel, batch: Batch, frequent: int, drawn: int, seed: int = 5) -> torch.Tensor:
    objective = PoemObjective(model, softmax_frequent=frequent, softmax_sampled=drawn)
    objective.samples_softmax = True
    return objective(objective.prepare(batch, rng=np.random.default_rng(seed))).total


def a_batch(model: PoetModel) -> Batch:
    return PoemBatches(RECORDS, model.tokenizer, batch_size=16, header=HeaderRates()).epoch(0).batch(0)


def test_the_sampled_softmax_is_what_its_definition_says():
    model, frequent, drawn = make_model(dropout=0.0), 9, 5
    vocabulary = len(model.tokenizer)
    batch = a_batch(model)
    found = sampled_loss(model, batch, frequent, drawn, seed=5)
    order = np.random.default_rng(5).permutation(vocabulary - frequent)
    chosen = {frequent + int(place) for place in order[:drawn]}
    expected, counted = 0.0, 0
    logits = model(torch.from_numpy(batch.inputs))[0].tolist()
    for row, targets in zip(logits, batch.targets.tolist(), strict=True):
        for scores, target in zip(row, targets, strict=True):
            if target != IGNORE:
                weights = {i: 1.0 for i in range(frequent)}
                weights |= dict.fromkeys(chosen, (vocabulary - frequent) / drawn) | {target: 1.0}
                total = sum(weight * math.exp(scores[i]) for i, weight in weights.items())
                expected += math.log(total) - scores[target]
                counted += target >= frequent and target not in chosen
    assert counted > 10  # targets that only their own rows may see
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_sampled_softmax_is_right_on_average():
    model = make_model(dropout=0.0)
    batch = a_batch(model)
    parameters = list(model.parameters())

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    exact = gradient(next_character_loss(model, batch))
    off = torch.stack([gradient(sampled_loss(model, batch, 9, 60, seed=seed)) - exact for seed in range(200)])
    noise = off.norm(dim=1).square().mean().sqrt()
    assert 0.1 * exact.norm() < noise < exact.norm()
    assert off.mean(dim=0).norm() < 1.3 * noise / len(off) ** 0.5 < 0.06 * exact.norm()


@pytest.mark.parametrize(("frequent", "drawn"), [(0, 10**6), (9, 10**6), (10**6, 5)])
def test_a_sample_of_everything_is_the_whole_softmax(frequent, drawn):
    model = make_model(dropout=0.0)
    batch = a_batch(model)
    assert torch.equal(sampled_loss(model, batch, frequent, drawn), next_character_loss(model, batch))


@pytest.mark.parametrize("rows", [0, 1, 2 * CHUNK + 7])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sampled", [False, True])
def test_the_softmax_in_pieces_is_the_whole_one(rows, dtype, sampled):
    """Value and gradients are those of torch's own cross-entropy over all logits at once."""
    torch.manual_seed(3)
    hidden, weight, bias = torch.randn(rows, 8), torch.randn(23, 8), torch.randn(23)
    targets = torch.randint(23, (rows,))
    log_counts = torch.where(torch.arange(23) % 5 == 4, -torch.inf, torch.rand(23)) if sampled else None
    inputs = [tensor.to(dtype).requires_grad_() for tensor in (hidden, weight, bias)]
    found = LinearCrossEntropy.apply(*inputs, targets, log_counts)
    (0.5 * found).backward()
    same = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    logits = F.linear(*same).float()
    if sampled:
        own = logits.gather(1, targets[:, None])
        logits = (logits + log_counts).scatter(1, targets[:, None], own)
    expected = F.cross_entropy(logits, targets, reduction="sum")
    (0.5 * expected).backward()
    accuracy = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float64 else {"rtol": 0.02, "atol": 0.3}
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for mine, others in zip(inputs, same, strict=True):
        assert mine.grad.dtype == others.grad.dtype == dtype
        torch.testing.assert_close(mine.grad, others.grad, **accuracy)


def test_the_softmax_is_sampled_until_the_end_draws_near(tmp_path):
    trainer = make_trainer(tmp_path, softmax_frequent=9, softmax_sampled=5, softmax_exact=0.25)
    sampled = []
    trainer.objective.register_forward_pre_hook(
        lambda _, prepared: sampled.append(prepared[0].candidates is not None)
    )
    trainer.train()
    last = sum(sampled)
    assert sampled == [True] * last + [False] * (len(sampled) - last)
    assert last == pytest.approx(0.75 * len(sampled), abs=1)
    exact = make_trainer(tmp_path).objective
    for progress in (0, 0.5, 1):
        exact.begin_step(progress)
        assert not exact.samples_softmax


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


def test_it_learns_a_poem_by_heart(tmp_path):
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    model = PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=48, num_layers=1), tokenizer)
    poems = [PoemRecord(text) for text in POEMS]
    trainer = Trainer(
        PoemObjective(model),
        PoemBatches(poems, tokenizer, batch_size=4),
        evaluate=lambda model: {"loss": 1.0},
        save_best=lambda model, record: None,
        config=TrainingConfig(epochs=160, batch_size=4, learning_rate=0.02, eval_every=10_000),
        output=tmp_path,
    )
    trainer.train()
    for text in POEMS:
        assert model.generate(text[:2], temperature=0).text == text


def rhyme_task(hidden_size: int = 7) -> tuple[RhymeMemory, PoetTokenizer]:
    torch.manual_seed(2)
    tokenizer = PoetTokenizer("，。山間中月")
    return RhymeMemory(hidden_size, tokenizer), tokenizer


def test_the_rhyme_memory_is_asked_for_any_group_of_the_last_sentence():
    task, tokenizer = rhyme_task()
    texts = ["山月，月間。中中，月月。山", "中中，月。中山，山，月。月", "月月月月月月月月月月月月月"]
    inputs = np.array([tokenizer.encode(text) for text in texts])
    targets = np.full_like(inputs, 7)
    targets[1, -1] = IGNORE
    hidden = torch.randn(*inputs.shape, 7)
    groups = {c: readings(c) for c in "山間中月"}
    assert {len(of) for of in groups.values()} == {1, 2}  # 中 and 間 have two readings
    columns = {name: i for i, name in enumerate(sorted({n for of in groups.values() for n in of}))}
    assert task.head.out_features == len(columns)
    expected, asked = 0.0, 0
    for row, text in enumerate(texts):
        word = ""
        for place, character in enumerate(text):
            word = text[place - 1] if character == "。" else word
            if word and targets[row, place] != IGNORE:
                chances = task.head(hidden[row, place]).softmax(0)
                expected -= sum(chances[columns[name]] for name in groups[word]).log().item()
                asked += 1
    assert asked == 8 + 8
    assert rhyme_loss(task, Batch(inputs, targets), hidden).item() == pytest.approx(expected, rel=1e-5)


def rhyme_loss(task: RhymeMemory, batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
    places, words = map(torch.from_numpy, task.prepare(batch))
    return task(hidden.flatten(0, 1)[places], words)


def test_a_rhyme_memory_that_is_asked_nothing_costs_nothing():
    task, tokenizer = rhyme_task()
    hidden = torch.randn(1, 3, 7, requires_grad=True)
    for text in ("山月，", "。，。", "，。山"):  # no sentence yet, and none that ends in a word that rhymes
        nothing = rhyme_loss(task, Batch(np.array([tokenizer.encode(text)]), np.full((1, 3), 7)), hidden)
        assert nothing == 0
        nothing.backward()
    no_stop = RhymeMemory(7, PoetTokenizer("ab"))
    assert rhyme_loss(no_stop, Batch(np.array([[5, 6, 5]]), np.full((1, 3), 5)), hidden) == 0
    # a process without a row joins in with one that scores nothing
    batch = Batch(np.array([tokenizer.encode("山。月")]), np.full((1, 3), IGNORE))
    assert rhyme_loss(task, batch, hidden) == 0


def test_training_teaches_the_state_to_keep_the_rhyme(tmp_path):
    with_memory = make_trainer(tmp_path / "with", rhyme_memory=0.5, epochs=12, dropout=0.0)
    with_memory.train()
    log = read_json_lines(with_memory.output / LOG_NAME)
    losses = [record["rhyme_loss"] for record in log if record["split"] == "train"]
    assert losses[-1] < 0.5 * losses[0]
    loaded = PoetModel.from_pretrained(with_memory.output)  # the head is no part of the model
    assert loaded.num_parameters == with_memory.model.num_parameters == make_model().num_parameters


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


WAITS = {"nonzero", "_local_scalar_dense", "masked_select", "is_nonzero", "equal", "item"}


@pytest.mark.parametrize("settings", [{}, {"rhyme_memory": 0.5, "softmax_frequent": 9, "softmax_sampled": 5}])
def test_a_step_asks_the_device_for_nothing(tmp_path, settings):
    """No operation whose result, or its size, the CPU would have to wait for; a boolean index is one."""
    from torch.utils._python_dispatch import TorchDispatchMode

    called = []

    class Recorded(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = func.overloadpacket.__name__
            indices = args[1] if name in ("index", "index_put", "index_put_") else ()
            is_mask = any(index is not None and index.dtype == torch.bool for index in indices)
            called.append("nonzero" if is_mask else name)
            return func(*args, **(kwargs or {}))

    trainer = make_trainer(tmp_path, gradient_accumulation_steps=2, **settings)
    trainer.model.train()
    batch = a_batch(trainer.model)
    trainer.objective.begin_step(0.0)  # with a sampled softmax, where there is to be one
    trainer.update(batch, 0.01)  # the optimizer's state is made in the first step
    with Recorded():
        trainer.update(batch, 0.01)
    assert {"embedding", "index_select", "_fused_adamw_"} <= set(called)
    assert not WAITS & set(called)
    with Recorded():
        torch.ones(3)[torch.ones(3) > 0].sum().item()
    assert {"nonzero", "_local_scalar_dense"} <= set(called)  # the recorder sees them


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_never_waits_for_the_gpu(tmp_path):
    from accelerate import Accelerator

    model = make_model().cuda()
    settings = TrainingConfig(rhyme_memory=0.5, input_mask=0.1)
    accelerator = Accelerator(mixed_precision="fp16")
    trainer = Trainer(
        PoemObjective.from_config(model, settings),
        None,
        evaluate=None,
        save_best=None,
        config=settings,
        output=tmp_path,
        accelerator=accelerator,
    )
    trainer.model.train()
    batch = a_batch(model)
    trainer.update(batch, 0.01)
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.update(batch, 0.01)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.state.step == 2
