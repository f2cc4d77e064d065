"""The training of a CharLM: one epoch, and all of them with a log and checkpoints to resume from.

It does not know where the poems come from (data.py) or where the settings do (presets/).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..terminal import is_terminal
from .char_lm import CharLM
from .config import TrainingConfig
from .data import batches, encode
from .functional import perplexity
from .model_files import read_arrays
from .optimizers import OPTIMIZERS, SCHEDULES, Cosine, Optimizer, StepDecay, clip_gradients

BEST, LAST, STATE_NAME, LOG_NAME = "best", "last", "optimizer.npz", "training_log.jsonl"


def train_epoch(
    model: CharLM,
    optimizer: Optimizer,
    rows: Sequence[list[int]],
    batch_size: int,
    rng: np.random.Generator,
    *,
    max_grad_norm: float = 0.0,
    schedule: Cosine | StepDecay | None = None,
    on_batch: Callable[[float, float], None] | None = None,
) -> float:
    """Trains on every row once, in an order drawn from `rng`.

    Args:
        rows: one list of ids per poem, from `data.encode`.
        max_grad_norm: gradients are clipped to this norm. 0 turns clipping off.
        schedule: its `step()` is called after each step of the optimizer.
        on_batch: called for each batch, before the model is updated by it, with the loss of the batch and the
            share of the rows that have been read. An error that it raises ends the epoch and is passed on.

    Returns:
        The mean loss per token in nats, padding not counted.
    """
    nats = tokens = 0.0
    done = 0
    for ids, targets, mask in batches(rows, batch_size, len(model.prompt), rng):
        loss, grads, _ = model.fast_loss_and_gradients(ids, targets, mask)
        done += len(ids)
        if on_batch is not None:
            on_batch(loss, done / len(rows))
        if max_grad_norm:
            clip_gradients(grads, max_grad_norm)
        optimizer.step(grads)
        if schedule is not None:
            schedule.step()
        count = float(mask.sum())
        nats, tokens = nats + loss * count, tokens + count
    return nats / tokens


def evaluate(
    model: CharLM, poems: Sequence[str], *, length: int = 4096, batch_size: int = 16
) -> dict[str, Any]:
    """The loss per token over some poems, padding not counted, its perplexity, and the number of tokens."""
    if not poems:
        raise ValueError("there is no poem to measure on")
    nats = tokens = 0.0
    for ids, targets, mask in batches(encode(model, poems, length), batch_size, len(model.prompt)):
        batch_nats, count = model.loss(ids, targets, mask)
        nats, tokens = nats + batch_nats, tokens + count
    return {"loss": nats / tokens, "perplexity": perplexity(nats / tokens), "tokens": int(tokens)}


class Training:
    """One training: all epochs, the log with a line per epoch, and two checkpoints, the best and the last.

    Args:
        model: the model, trained in place.
        poems: the poems to train on.
        valid: the poems to validate on after each epoch.
        config: the settings.
        output: a folder. `best/` and `last/` in it are model folders; `last/` also holds the optimizer state.
        on_batch: see `train_epoch`.
    """

    def __init__(
        self,
        model: CharLM,
        poems: Sequence[str],
        valid: Sequence[str],
        config: TrainingConfig,
        output: str | Path,
        on_batch: Callable[[float, float], None] | None = None,
    ):
        if not poems:
            raise ValueError("there is no poem to train on")
        self.model: CharLM = model
        self.valid: Sequence[str] = valid
        self.config: TrainingConfig = config
        self.output: Path = Path(output)
        self._on_batch, self._rows = on_batch, encode(model, poems, config.length)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer](model.parameters, config.learning_rate)
        per_epoch = -(-len(poems) // config.batch_size)
        arguments = {"cosine": (config.epochs * per_epoch,), "step": (5 * per_epoch,)}
        self._schedule = (
            SCHEDULES[config.schedule](self.optimizer, *arguments.get(config.schedule, ()))
            if config.schedule
            else None
        )
        self.epoch, self.best = 0, float("inf")

    def resume(self) -> None:
        """Restores the state in the folder `last`."""
        folder = self.output / LAST
        other = CharLM.load(folder)
        self.model.set_parameters(other.parameters, folder)
        arrays = read_arrays(folder / STATE_NAME)
        try:
            self.optimizer.load_state_arrays(arrays)
            self.epoch, self.best = int(arrays["epoch"]), float(arrays["best"])
            self.optimizer.learning_rate = float(arrays["learning_rate"])
            if self._schedule:
                self._schedule.state = arrays["schedule"].item()
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{folder / STATE_NAME} is damaged or belongs to another training: {error}"
            ) from error
        # if it was stopped before the checkpoint was saved, the log has a line, or part of one, too many
        log = self.output / LOG_NAME
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.is_file() else []
        log.write_text("".join(lines[: self.epoch]), encoding="utf-8")

    def run(self, *, quiet: bool = False) -> list[dict[str, Any]]:
        """Trains up to the last epoch. Returns the log records of the epochs that it trained."""
        self.output.mkdir(parents=True, exist_ok=True)
        records = []
        while self.epoch < self.config.epochs:
            record = self._next_epoch(quiet)
            records.append(record)
            with open(self.output / LOG_NAME, "a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            self._save(record)
            if not quiet:
                print(
                    f"epoch {record['epoch']:>3}  step {record['step']:>5}  loss {record['loss']:.3f}  "
                    f"perplexity {record['perplexity']:8.2f}  validation {record['valid_loss']:.3f} "
                    f"({record['valid_perplexity']:.1f})  {record['seconds']:.1f} s"
                )
        return records

    def _next_epoch(self, quiet: bool) -> dict[str, Any]:
        """Trains one epoch and measures the model after it; the record for the log."""
        config, started = self.config, time.perf_counter()
        is_shown = not quiet and is_terminal(sys.stderr)

        def on_batch(loss: float, share: float) -> None:
            if not np.isfinite(loss):
                raise ValueError(
                    f"the loss is {loss} in epoch {self.epoch + 1}: start again with a lower learning rate "
                    f"than {config.learning_rate:g}; {self.output / LAST}, if it exists, is the model after "
                    "the previous epoch"
                )
            if is_shown:
                show_bar(share, f"epoch {self.epoch + 1} loss {loss:.3f}", started)
            if self._on_batch is not None:
                self._on_batch(loss, share)

        by_loss = config.schedule == "halve_when_loss_rises"
        loss = train_epoch(
            self.model,
            self.optimizer,
            self._rows,
            config.batch_size,
            np.random.default_rng([config.seed, self.epoch]),  # no state to save for a resume
            max_grad_norm=config.max_grad_norm,
            schedule=None if by_loss else self._schedule,
            on_batch=on_batch,
        )
        self.epoch += 1
        if by_loss and self._schedule is not None:
            self._schedule.step(loss)
        valid = evaluate(self.model, self.valid, length=config.length)
        if not np.isfinite([perplexity(loss), valid["perplexity"]]).all():
            raise ValueError(
                f"the training diverged in epoch {self.epoch} (loss {loss:g}, validation {valid['loss']:g}): "
                f"start again with a lower learning rate than {config.learning_rate:g}"
            )
        return {
            "epoch": self.epoch,
            "step": self.optimizer.steps,
            "loss": round(loss, 6),
            "perplexity": round(perplexity(loss), 4),
            "valid_loss": round(valid["loss"], 6),
            "valid_perplexity": round(valid["perplexity"], 4),
            "learning_rate": self.optimizer.learning_rate,
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _save(self, record: dict[str, Any]) -> None:
        if record["valid_loss"] < self.best:
            self.best = record["valid_loss"]
            with replaced(self.output / BEST) as folder:
                self.model.save(folder)
        with replaced(self.output / LAST) as folder:
            self.model.save(folder)
            arrays: dict[str, Any] = {
                **self.optimizer.state_arrays(),
                "epoch": self.epoch,
                "best": self.best,
                "learning_rate": self.optimizer.learning_rate,
                "schedule": self._schedule.state if self._schedule else 0,
            }
            np.savez(folder / STATE_NAME, **arrays)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yields the path of a folder for the caller to make, which replaces `folder` if no error occurs."""
    fresh, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    yield fresh
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def show_bar(share: float, text: str, started: float, width: int = 30) -> None:
    """Prints a progress bar on one line of the terminal, with the seconds left.

    Args:
        share: the share that is done, from 0 to 1.
        started: when it began, by time.perf_counter().
    """
    left = (time.perf_counter() - started) * (1 - share) / max(share, 1e-9)
    bar = "█" * round(width * share)
    end = "\r" if share < 1 else "\r\x1b[K"
    print(f"\r|{bar:<{width}}| {text}  {left:.0f} s left\x1b[K", end=end, file=sys.stderr, flush=True)
