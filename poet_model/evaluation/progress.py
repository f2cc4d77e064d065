"""Progress: shows on stderr what is being measured and how far. It knows costs, and nothing about models."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from ..terminal import is_terminal

# What is done besides scoring tokens, in tokens that could be scored in the same time, as measured on CPUs.
POEM = 25  # a poem written as one of many in a batch
TITLED_POEM = 50  # as one of eight
RULED_POEM = 120  # with tones and rhyme
INDEXED_POEM = 0.6  # a training poem put into the novelty index
COUNTED_POEM = 1.2  # a training poem that the judge and the classifier count


class Progress:
    """Shows a progress bar with the current stage, or, where stderr is no terminal, a line for each stage.

    It is a context manager, which removes the bar at its end. Without a total nothing is shown.

    Args:
        total: the number of units of work, each the time that scoring one token takes.
        file: where to show it; None for stderr.
    """

    def __init__(self, total: float = 0.0, file: TextIO | None = None):
        self.total: float = total
        self.done: float = 0.0
        self._file = file or sys.stderr
        self._bar: tqdm | None = None
        if total and is_terminal(self._file):
            self._bar = tqdm(
                total=1.0,
                file=self._file,
                bar_format="{percentage:3.0f}% |{bar}| {desc}, ETA {remaining}",
                mininterval=0.5,
                ncols=shutil.get_terminal_size().columns,  # 80 where the terminal does not say
                leave=False,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def stage(self, what: str) -> None:
        """Shows what is measured from now on."""
        if self._bar is not None:
            self._bar.set_description_str(f"measuring {what}")
        elif self.total:
            share = min(0.99, self.done / self.total)
            print(f"measuring {what} ({share:.0%} done)", file=self._file, flush=True)

    def advance(self, units: float) -> None:
        """Counts work that is done."""
        if not self.total:
            return
        self.done += units
        if self._bar is not None:
            self._bar.update(min(1.0, self.done / self.total) - self._bar.n)


SILENT = Progress()


def in_words(seconds: float) -> str:
    """A time that is only estimated: `10 seconds`, `80 seconds`, `3 minutes`."""
    if seconds < 95:
        return f"{max(10, 10 * round(seconds / 10))} seconds"
    return f"{round(seconds / 60)} minutes"
