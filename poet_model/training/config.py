"""TrainingConfig: how a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InvalidValueError


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
        at_least_one = ("epochs", "batch_size", "gradient_accumulation_steps", "log_every", "eval_every")
        for name in (*at_least_one, "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.softmax_frequent < 0 or self.softmax_sampled < 1:
            raise InvalidValueError(
                "softmax_frequent must be 0 or more and softmax_sampled 1 or more, "
                f"got {self.softmax_frequent} and {self.softmax_sampled}"
            )
        if not 0 <= self.softmax_exact <= 1:
            raise InvalidValueError(f"softmax_exact must be from 0 to 1, got {self.softmax_exact}")
        for name in ("learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("warmup", "input_mask"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidValueError(
                    f"{name} must be from 0 up to (not including) 1, got {getattr(self, name)}"
                )
        for name in ("weight_decay", "rhyme_memory"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise InvalidValueError(f"seed must be from 0 to {2**32 - 1}, got {self.seed}")
        if self.max_minutes is not None and not 0 < self.max_minutes < math.inf:
            raise InvalidValueError(f"max_minutes must be above 0, got {self.max_minutes}")

    def rate(self, progress: float) -> float:
        """The learning rate at a share (0 to 1) of the training."""
        if progress < self.warmup:
            return self.learning_rate * (progress / self.warmup * 0.99 + 0.01)
        done = (progress - self.warmup) / (1 - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def samples_softmax(self, progress: float) -> bool:
        """Whether the softmax is sampled at a share (0 to 1) of the training."""
        return self.softmax_frequent > 0 and progress < 1 - self.softmax_exact
