"""TrainingConfig: the hyperparameters of training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import check_number


@dataclass(frozen=True)
class TrainingConfig:
    """The hyperparameters of training; those of the architecture are in PoetConfig.

    Args:
        epochs: number of passes over the training split.
        batch_size: number of rows in a batch, summed over all processes.
        learning_rate: the peak learning rate, reached after the warm-up and followed by cosine decay to 0.
        warmup: share of the training in which the learning rate rises.
        weight_decay: weight decay of AdamW, applied to matrices only.
        max_grad_norm: gradients are clipped to this norm.
        input_mask: share of input tokens replaced by `<unk>`.
        gradient_accumulation_steps: number of parts in which each batch is processed, to save memory.
        softmax_frequent: 0 for the softmax over the whole vocabulary. Otherwise the softmax is sampled, and
            always includes this many of the first ids (the most frequent characters).
        softmax_sampled: number of other ids drawn for each batch, or each part of one. The logged training
            loss is then an estimate that is slightly too low.
        softmax_exact: share of the training, at its end, in which the softmax is no longer sampled.
        rhyme_memory: weight of the auxiliary task of RhymeMemory; 0 for none. Its loss is logged as
            `rhyme_loss`, in nats per scored token like `loss`.
        log_every, eval_every, checkpoint_every: intervals in optimizer steps; all three are also done at the
            end.
        max_minutes: training ends after about this many minutes at the latest, including all validations;
            None for no limit.
        seed: seed of batches, dropout and masks.

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

    def __post_init__(self) -> None:
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
        """The learning rate when the share `progress` (0 to 1) of the training is done."""
        if progress < self.warmup:
            return self.learning_rate * (progress / self.warmup * 0.99 + 0.01)
        done = (progress - self.warmup) / (1 - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
