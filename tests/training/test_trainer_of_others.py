"""The Trainer also trains other models: here a character RNN on English text, with its own objective."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from poet_model.files import read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.config import TrainingConfig
from poet_model.training.objective import BatchSize, Losses, Objective
from poet_model.training.stopping import Interrupted
from poet_model.training.trainer import Trainer

TEXT = "the quick brown fox jumps over the lazy dog and runs away from the slow brown bear. " * 6


class CharRNN(nn.Module):
    """Bytes (B, T) -> logits (B, T, 128)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(128, 24), nn.RNN(24, 32, batch_first=True)
        self.output = nn.Linear(32, 128)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.output(self.rnn(self.embedding(ids))[0])


class NextByte(Objective):
    """Cross-entropy of the next byte, plus a small penalty on the logits; a batch is an array (B, T + 1)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model, self.begun = CharRNN(), []

    def begin_step(self, progress: float) -> None:
        self.begun.append(progress)

    def size(self, batch: np.ndarray) -> BatchSize:
        return BatchSize(batch.size, batch[:, 1:].size)

    def prepare(self, batch, *, part=0, parts=1, rng=None, device="cpu"):
        return torch.from_numpy(batch[part::parts]).to(device)

    def forward(self, prepared: torch.Tensor) -> Losses:
        logits, targets = self.model(prepared[:, :-1]), prepared[:, 1:]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
        size = logits.square().mean(dim=2).sum()
        return Losses(loss + 0.001 * size, {"loss": loss, "logit_size": size})


class Windows:
    """Batches of four windows of a text. The batch at `stop_at` (epoch, index) raises SIGTERM."""

    def __init__(self, stop_at: tuple[int, int] | None = None):
        data, self.stop_at = np.frombuffer(TEXT.encode(), np.uint8).astype(np.int64), stop_at
        self.rows = np.stack([data[start : start + 17] for start in range(0, len(data) - 17, 7)])

    def epoch(self, number: int):
        return Shuffled(self.rows, number, self.stop_at)


class Shuffled:
    def __init__(self, rows: np.ndarray, number: int, stop_at: tuple[int, int] | None):
        self.rows, self.number, self.stop_at = (
            np.random.default_rng(number).permutation(rows),
            number,
            stop_at,
        )

    def __len__(self) -> int:
        return len(self.rows) // 4

    def batch(self, index: int) -> np.ndarray:
        if (self.number, index) == self.stop_at:
            signal.raise_signal(signal.SIGTERM)
        return self.rows[4 * index : 4 * index + 4]


def make_trainer(output: Path, stop_at: tuple[int, int] | None = None) -> Trainer:
    def evaluate(model: CharRNN) -> dict:
        rows = torch.from_numpy(Windows().rows[:8])
        logits, targets = model(rows[:, :-1]), rows[:, 1:]
        return {"loss": nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()}

    config = TrainingConfig(
        epochs=3, batch_size=4, learning_rate=0.02, gradient_accumulation_steps=2, log_every=5, eval_every=20
    )
    output.mkdir(exist_ok=True)
    return Trainer(
        NextByte(),
        Windows(stop_at),
        evaluate=evaluate,
        save_best=lambda model, record: torch.save(model.state_dict(), output / "best.pt"),
        config=config,
        output=output,
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Trainer:
    trainer = make_trainer(tmp_path_factory.mktemp("unbroken"))
    trainer.train()
    return trainer


def test_its_losses_fall_and_stand_in_the_log_by_name(unbroken):
    log = read_json_lines(unbroken.output / LOG_NAME)
    train, valid = ([record for record in log if record["split"] == split] for split in ("train", "valid"))
    assert train[0]["loss"] > 2.5 > 1.0 > train[-1]["loss"]
    assert all(record["logit_size"] > 0 for record in train)
    assert valid[-1]["loss"] == min(record["loss"] for record in valid) < 1.0
    assert unbroken.state.best == valid[-1]
    assert (unbroken.output / "best.pt").is_file()
    steps = unbroken.state.step
    assert unbroken.objective.begun == pytest.approx([step / steps for step in range(steps)])


@pytest.mark.parametrize("stop_at", [(0, 3), (1, 0), (2, 7)])
def test_it_resumes_bit_for_bit(unbroken, tmp_path, stop_at):
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, stop_at).train()
    trainer = make_trainer(tmp_path)
    trainer.load_checkpoint()
    assert 0 < trainer.state.step < unbroken.state.step
    trainer.train()
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, unbroken.model.state_dict()[name]), name
    assert trainer.state.step == unbroken.state.step
