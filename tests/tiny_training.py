"""A tiny model and its Trainer, for the tests of training."""

from __future__ import annotations

import signal
from pathlib import Path

import torch
from conftest import POEMS

from poet_model import PoetConfig, PoetModel, PoetTokenizer
from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import (
    IGNORE,
    Batch,
    HeaderRates,
    PoemBatches,
)
from poet_model.files import read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.config import TrainingConfig
from poet_model.training.poem_objective import PoemObjective
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
    """The loss of the full softmax, summed over the scored targets."""
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
    """A Trainer of a tiny model; `more` are further arguments, `settings` those of its TrainingConfig."""
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
    for tensors, others in (
        (first.model.state_dict(), second.model.state_dict()),
        (optimizer_state(first), optimizer_state(second)),
    ):
        assert list(tensors) == list(others)
        for name, value in tensors.items():
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


def losses(trainer: Trainer, split: str) -> list[tuple]:
    log = read_json_lines(trainer.output / LOG_NAME)
    return [(r["step"], r["epoch"], r["loss"]) for r in log if r["split"] == split]


def a_batch(model: PoetModel) -> Batch:
    return PoemBatches(RECORDS, model.tokenizer, batch_size=16, header=HeaderRates()).epoch(0).batch(0)
