"""TrainingConfig: how a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import check_number


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; what it is stands in PoetConfig.

    Args:
        epochs: passes over the training split.
        batch_size: rows of a batch over all processes together.
        learning_rate: the highest one, reached after the warm-up; then a cosine to 0.
        warmup: share of the training in which the rate rises.
        weight_decay: of AdamW, on matrices only.
        max_grad_norm: gradients are clipped to this norm.
        input_mask: share of input characters replaced by `<unk>`.
        gradient_accumulation_steps: parts that a batch is worked through in, to save memory.
        softmax_frequent: 0 for a softmax over the whole vocabulary; else it is sampled, with this many of the
            first ids (the most frequent characters) always in it.
        softmax_sampled: how many of the other ids are drawn for each batch, and each part of it. The logged
            training loss is then an estimate, a little too low.
        softmax_exact: share of the training, at its end, in which the softmax is whole all the same.
        rhyme_memory: weight of a second task, to keep the last rhyme in mind (RhymeMemory); 0: none. Its loss
            stands in the log as `rhyme_loss`, in nats a scored character, as the other one.
        log_every, eval_every, checkpoint_every: in optimizer steps; the training ends with one of each too.
        max_minutes: the schedule ends after this time, if the epochs have not ended before; None: no limit.
        seed: of batches, dropout and masks.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 3e-3
    warmup: float = 0.04
    weight_decay: float = 0.1
    max_grad_norm: float = 1.0
    input_mask: float = 0.0
    gradient_accumulation_steps: int = 1
    softmax_frequent: int = 0
    softmax_sampled: int = 512
    softmax_exact: float = 0.15
    rhyme_memory: float = 0.0
    log_every: int = 25
    eval_every: int = 500
    checkpoint_every: int = 250
    max_minutes: float | None = None
    seed: int = 0

    def __post_init__(self):
        at_least_one = ("epochs", "batch_size", "gradient_accumulation_steps", "softmax_sampled")
        for name in (*at_least_one, "log_every", "eval_every", "checkpoint_every"):
            check_number(name, getattr(self, name), 1, whole=True)
        check_number("softmax_frequent", self.softmax_frequent, 0, whole=True)
        check_number("softmax_exact", self.softmax_exact, 0, 1)
        for name in ("learning_rate", "max_grad_norm"):
            check_number(name, getattr(self, name), 0, above=True)
        for name in ("warmup", "input_mask"):
            check_number(name, getattr(self, name), 0, 1, below=True)
        for name in ("weight_decay", "rhyme_memory"):
            check_number(name, getattr(self, name), 0)
        check_number("seed", self.seed, 0, 2**32 - 1, whole=True)
        check_number("max_minutes", self.max_minutes, 0, above=True, optional=True)

    def rate(self, progress: float) -> float:
        """The learning rate at a share (0 to 1) of the training."""
        if progress < self.warmup:
            return self.learning_rate * (progress / self.warmup * 0.99 + 0.01)
        done = (progress - self.warmup) / (1 - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
