"""The training loop: its schedule, updates that do not depend on how a batch is split, and no GPU waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import POEMS
from tiny_training import (
    RECORDS,
    a_batch,
    make_model,
    make_tokenizer,
    make_trainer,
)

from poet_model import PoetConfig, PoetModel
from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import (
    IGNORE,
    PoemBatches,
)
from poet_model.files import read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.config import TrainingConfig
from poet_model.training.malloc import return_freed_memory
from poet_model.training.poem_objective import PoemObjective
from poet_model.training.trainer import Trainer


def captured_update(tmp_path: Path, **settings) -> tuple[dict, dict, Trainer]:
    """The gradients (not clipped) and the weights of the first update, and the Trainer."""
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
        clear = gradient.abs() > 1e-5  # Adam's first step depends on the sign, which near 0 is rounding noise
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


def test_training_teaches_the_state_to_keep_the_rhyme(tmp_path):
    with_memory = make_trainer(tmp_path / "with", rhyme_memory=0.5, epochs=12, dropout=0.0)
    with_memory.train()
    log = read_json_lines(with_memory.output / LOG_NAME)
    losses = [record["rhyme_loss"] for record in log if record["split"] == "train"]
    assert losses[-1] < 0.5 * losses[0]
    loaded = PoetModel.from_pretrained(with_memory.output)  # the head is not saved with the model
    assert loaded.num_parameters == with_memory.model.num_parameters == make_model().num_parameters


WAITS = {"nonzero", "_local_scalar_dense", "masked_select", "is_nonzero", "equal", "item"}


@pytest.mark.parametrize("settings", [{}, {"rhyme_memory": 0.5, "softmax_frequent": 9, "softmax_sampled": 5}])
def test_a_step_asks_the_device_for_nothing(tmp_path, settings):
    """A step uses no operation for whose result or size the CPU must wait, such as a boolean index."""
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
    trainer.objective.begin_step(0.0)  # samples the softmax if the settings say so
    trainer.update(batch, 0.01)  # the first step creates the optimizer's state
    with Recorded():
        trainer.update(batch, 0.01)
    assert {"embedding", "index_select", "_fused_adamw_"} <= set(called)
    assert not WAITS & set(called)
    with Recorded():
        torch.ones(3)[torch.ones(3) > 0].sum().item()
    assert {"nonzero", "_local_scalar_dense"} <= set(called)  # such operations would have been recorded


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
