"""Batches of poems, and the loop that trains a CharLM on them, with a log and checkpoints that go on."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .char_lm import CharLM, load_arrays
from .functional import Array, perplexity
from .optimizers import OPTIMIZERS, SCHEDULES, Optimizer, clip_gradients
from .vocabulary import EOS, PAD

BEST, LAST, STATE_NAME, LOG_NAME = "best", "last", "optimizer.npz", "training_log.jsonl"


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; its shape stands in CharLMConfig.

    Args:
        epochs: passes over the poems.
        batch_size: poems of a batch.
        length: characters of a poem at most; what is longer is cut.
        optimizer: by the names of optimizers.OPTIMIZERS.
        learning_rate: the first one.
        schedule: "" for a constant rate, or by the names of optimizers.SCHEDULES.
        max_grad_norm: gradients are clipped to this norm; 0: not at all.
        seed: of the order of the poems.
    """

    epochs: int = 30
    batch_size: int = 32
    length: int = 128
    optimizer: str = "adam"
    learning_rate: float = 0.01
    schedule: str = ""
    max_grad_norm: float = 5.0
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size", "length"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number from 1, got {getattr(self, name)!r}")
        for name, low in (("learning_rate", 0), ("max_grad_norm", 0), ("seed", 0)):
            value = getattr(self, name)
            if type(value) not in ((int,) if name == "seed" else (int, float)) or not low <= value < np.inf:
                raise ValueError(f"{name} must be a number from {low}, got {value!r}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}")
        if self.schedule and self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)} or empty, got {self.schedule!r}"
            )


def encode(model: CharLM, poems: Sequence[str], length: int) -> list[list[int]]:
    """Each poem as ids: the prompt, at most `length` characters, `<eos>` unless it was cut."""
    rows = []
    for poem in poems:
        ids = model.vocabulary.encode(poem[:length])
        rows.append([*model.prompt, *ids, *([EOS] if len(poem) <= length else [])])
    return rows


def batches(
    rows: Sequence[list[int]], batch_size: int, prompt: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[Array, Array, Array]]:
    """Ids, targets and mask, (B, T) each; rows are padded at their end, and the prompt is not scored.

    Args:
        prompt: ids that stand before each poem.
        rng: shuffles the rows; None keeps their order.
    """
    order = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
    for start in range(0, len(order), batch_size):
        group = [rows[index] for index in order[start : start + batch_size]]
        steps = max(map(len, group)) - 1
        ids, targets = np.full((2, len(group), steps), PAD)
        mask = np.zeros((len(group), steps), np.float32)
        for row, poem in enumerate(group):
            ids[row, : len(poem) - 1], targets[row, : len(poem) - 1] = poem[:-1], poem[1:]
            mask[row, prompt - 1 : len(poem) - 1] = 1
        yield ids, targets, mask


def evaluate(model: CharLM, poems: Sequence[str], *, length: int = 4096, batch_size: int = 16) -> dict:
    """The loss a token of poems, padding not counted, its perplexity, and the number of tokens."""
    if not poems:
        raise ValueError("there is no poem to measure on")
    nats = tokens = 0.0
    for ids, targets, mask in batches(encode(model, poems, length), batch_size, len(model.prompt)):
        found, count = model.loss(ids, targets, mask)
        nats, tokens = nats + found, tokens + count
    return {"loss": nats / tokens, "perplexity": perplexity(nats / tokens), "tokens": int(tokens)}


class Training:
    """One training: the loop, its log (a line an epoch), and two checkpoints, the best and the last.

    Args:
        model: trained in place.
        poems: to train on.
        valid: to validate on, after each epoch.
        config: the recipe.
        output: a folder; `best/` and `last/` are model folders, `last/` also holds the optimizer.
    """

    def __init__(
        self,
        model: CharLM,
        poems: Sequence[str],
        valid: Sequence[str],
        config: TrainingConfig,
        output: str | Path,
    ):
        if not poems:
            raise ValueError("there is no poem to train on")
        self.model, self.valid, self.config, self.output = model, valid, config, Path(output)
        self._rows = encode(model, poems, config.length)
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
        """Goes on from `last/`."""
        folder = self.output / LAST
        other = CharLM.load(folder)
        self.model.set_parameters(other.parameters, folder)
        arrays = load_arrays(folder / STATE_NAME)
        try:
            self.optimizer.load_state_arrays(arrays)
            self.epoch, self.best = int(arrays["epoch"]), float(arrays["best"])
            self.optimizer.learning_rate = float(arrays["learning_rate"])
            if self._schedule:
                self._schedule.state = arrays["schedule"].item()
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder / STATE_NAME} is damaged or another training's: {error}") from error
        # stopped between the two, the log may be a line, or part of one, ahead of the checkpoint
        log = self.output / LOG_NAME
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.is_file() else []
        log.write_text("".join(lines[: self.epoch]), encoding="utf-8")

    def run(self, *, quiet: bool = False) -> list[dict]:
        """Trains to the last epoch; returns the log's lines of this run."""
        self.output.mkdir(parents=True, exist_ok=True)
        records = []
        while self.epoch < self.config.epochs:
            record = self._train_epoch(quiet)
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

    def _train_epoch(self, quiet: bool) -> dict:
        config, started = self.config, time.perf_counter()
        rng = np.random.default_rng([config.seed, self.epoch])  # nothing to save for resume
        nats = tokens = done = 0.0
        prompt = len(self.model.prompt)
        for ids, targets, mask in batches(self._rows, config.batch_size, prompt, rng):
            loss, grads, _ = self.model.fast_loss_and_gradients(ids, targets, mask)
            if not np.isfinite(loss):
                raise ValueError(
                    f"the loss is {loss} in epoch {self.epoch + 1}: start again with a lower learning rate "
                    f"than {config.learning_rate:g}; {self.output / LAST} holds the epoch before"
                )
            if config.max_grad_norm:
                clip_gradients(grads, config.max_grad_norm)
            self.optimizer.step(grads)
            if self._schedule and config.schedule != "halve_when_loss_rises":
                self._schedule.step()
            nats, tokens, done = nats + loss * float(mask.sum()), tokens + float(mask.sum()), done + len(ids)
            if not quiet and sys.stderr.isatty():
                show_bar(done / len(self._rows), f"epoch {self.epoch + 1} loss {loss:.3f}", started)
        self.epoch += 1
        loss = nats / tokens
        if self._schedule and config.schedule == "halve_when_loss_rises":
            self._schedule.step(loss)
        found = evaluate(self.model, self.valid, length=config.length)
        if not np.isfinite([perplexity(loss), found["perplexity"]]).all():
            raise ValueError(
                f"the training diverged in epoch {self.epoch} (loss {loss:g}, validation {found['loss']:g}): "
                f"start again with a lower learning rate than {config.learning_rate:g}"
            )
        return {
            "epoch": self.epoch,
            "step": self.optimizer.steps,
            "loss": round(loss, 6),
            "perplexity": round(perplexity(loss), 4),
            "valid_loss": round(found["loss"], 6),
            "valid_perplexity": round(found["perplexity"], 4),
            "learning_rate": self.optimizer.learning_rate,
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _save(self, record: dict) -> None:
        if record["valid_loss"] < self.best:
            self.best = record["valid_loss"]
            with replaced(self.output / BEST) as folder:
                self.model.save(folder)
        with replaced(self.output / LAST) as folder:
            self.model.save(folder)
            np.savez(
                folder / STATE_NAME,
                **self.optimizer.state_arrays(),
                epoch=self.epoch,
                best=self.best,
                learning_rate=self.optimizer.learning_rate,
                schedule=self._schedule.state if self._schedule else 0,
            )


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder` when it is whole."""
    fresh, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    yield fresh
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def show_bar(share: float, text: str, started: float, width: int = 30) -> None:
    """A progress bar on one line of the terminal, with the time left."""
    left = (time.perf_counter() - started) * (1 - share) / max(share, 1e-9)
    bar = "█" * round(width * share)
    end = "\r" if share < 1 else "\r\x1b[K"
    print(f"\r|{bar:<{width}}| {text}  {left:.0f} s left\x1b[K", end=end, file=sys.stderr, flush=True)
