"""TrainingLog: the log file and the progress bar of a training run. It knows nothing about models."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm

from ..files import append_json_line, is_number, read_json_lines, write_text
from .state import TrainingState


class TrainingLog:
    """Writes records to a file and to Accelerate's trackers, and shows a progress bar.

    Only the main process writes and shows anything; in other processes the methods have no visible effect.

    Args:
        path: path of the JSON Lines file.
        accelerator: provides the trackers and identifies the main process.
    """

    def __init__(self, path: Path, accelerator: Accelerator):
        self.path: Path = path
        self.accelerator: Any = accelerator
        self._bar: tqdm | None = None
        self.restart_clock(0.0)

    @contextmanager
    def progress_bar(self) -> Iterator[None]:
        """Shows the progress bar while the block runs."""
        with tqdm(
            total=1.0,
            initial=0.0,
            desc="training",
            disable=not self.accelerator.is_main_process,
            bar_format="{percentage:3.0f}% |{bar}| {desc}",
            file=sys.stderr,
            mininterval=0.5,
            dynamic_ncols=True,
        ) as self._bar:
            yield

    def restart_clock(self, tokens: float) -> None:
        """Starts to measure the speed anew; `tokens` is the number of tokens trained on so far."""
        self._time, self._tokens = time.perf_counter(), tokens

    def speed(self, tokens: float) -> float:
        """Tokens per second since the clock was last restarted; restarts the clock."""
        seconds, done = time.perf_counter() - self._time, tokens - self._tokens
        self.restart_clock(tokens)
        return done / max(1e-9, seconds)

    def record(
        self, split: str, state: TrainingState, epoch: float, values: dict[str, Any]
    ) -> dict[str, Any]:
        """Writes one record and returns it.

        Args:
            split: `train` or `valid`.
            state: the progress of the training run.
            epoch: number of epochs done, as a fraction.
            values: `loss` (nats per target), and other values, which are written unchanged.
        """
        record = {"step": state.step, "epoch": round(epoch, 4), "split": split, **values}
        record["loss"] = round(values["loss"], 6)
        record["perplexity"] = round(math.exp(min(values["loss"], 50)), 4)
        record["minutes"] = round(state.seconds / 60, 2)
        if self.accelerator.is_main_process:
            append_json_line(self.path, record)
            numbers = {f"{split}/{k}": v for k, v in record.items() if isinstance(v, (int, float))}
            self.accelerator.log(numbers, step=state.step)
        return record

    def show(self, progress: float, epoch: int, record: dict[str, Any], seconds: float) -> None:
        """Updates the progress bar.

        Args:
            progress: share (0 to 1) of the training that is done.
            epoch: the current epoch, counted from 1.
            record: the latest record of the split `train`.
            seconds: time that the training has taken so far.
        """
        if self._bar is None:
            return
        remaining = seconds * (1 - progress) / max(progress, 1e-9)
        self._bar.n = progress
        self._bar.set_description_str(
            f"epoch {epoch} step {record['step']} loss {record['loss']:.3f} "
            f"perplexity {record['perplexity']:.1f} "
            f"{record['tokens_per_second']:,} tokens/s ETA {tqdm.format_interval(remaining)}"
        )

    def say_validation(self, record: dict[str, Any], is_best: bool) -> None:
        """Prints the result of a validation above the progress bar."""
        best = " (best)" if is_best else ""
        loss, perplexity = f"{record['loss']:.4f}", f"{record['perplexity']:.2f}"
        self.say(f"step {record['step']}: validation loss {loss}, perplexity {perplexity}{best}")

    def say(self, text: str) -> None:
        """Prints a line above the progress bar."""
        tqdm.write(text, file=sys.stderr)


def cut_log(path: Path, state: TrainingState) -> None:
    """Removes the records from after a checkpoint from a JSON Lines file; a resumed run writes them again.

    Args:
        path: the file; nothing is done if there is none.
        state: the progress at the checkpoint.
    """
    last = {"train": state.logged, "valid": state.validated}
    if path.is_file():
        records = [
            record
            for record in read_json_lines(path)
            if not is_number(record.get("step"))
            or record["step"] <= last.get(str(record.get("split", "valid")), state.step)
        ]
        write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
