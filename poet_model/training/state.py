"""TrainingState: how far a training run has come. It does not know what the model is trained on."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import check_number


@dataclass
class TrainingState:
    """The progress of a training run: what a checkpoint holds besides the tensors.

    Attributes:
        step: number of optimizer steps made.
        epoch, index: the current epoch, counted from 0, and the number of its batches that are done.
        seconds: time spent in the training loop, including the time before a resume.
        tokens: number of tokens trained on, including those before a resume.
        best: the log record of the best validation; {} before the first validation.
        logged, validated: the steps of the latest log record of the training losses and of the latest
            validation; -1 before the first.
        losses: what the next log record has to say about the steps since `logged`; see Updater.
    """

    step: int = 0
    epoch: int = 0
    index: int = 0
    seconds: float = 0.0
    tokens: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    logged: int = -1
    validated: int = -1
    losses: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TrainingState:
        """The progress that a checkpoint has saved.

        Raises:
            KeyError, TypeError, AttributeError, ValueError: a value is missing or impossible.
        """
        # an older version logged and validated whenever it stopped, so that nothing was left for a record
        older = {"logged": record["step"], "validated": record["step"], "losses": {}}
        state = cls(**{each.name: (older | record)[each.name] for each in fields(cls)})
        check_number("step", state.step, 0, whole=True)
        for name in ("epoch", "index"):
            check_number(name, getattr(state, name), 0, state.step, whole=True)
        for name in ("logged", "validated"):
            check_number(name, getattr(state, name), -1, state.step, whole=True)
        for name in ("seconds", "tokens"):
            check_number(name, getattr(state, name), 0)
        for name in ("step", "epoch", "minutes", "perplexity") if state.best else ():
            check_number(f"best.{name}", state.best[name], 0)
        if state.losses:
            check_number("losses.targets", state.losses["targets"], 1, whole=True)
        values = {"best.loss": state.best["loss"]} if state.best else {}
        for name, value in (values | state.losses.get("sums", {})).items():
            check_number(name, value, -sys.float_info.max)
        return state
