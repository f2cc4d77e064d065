"""Ctrl-C and SIGTERM as requests to stop at the next good moment. Knows no training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Training was asked to stop (Ctrl-C, SIGTERM); all is saved. `signum` says by what."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StopRequest:
    """Whether a signal asked to stop.

    Attributes:
        signum: the number of the latest signal; 0 if there was none.
    """

    def __init__(self):
        self.signum = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes note of signals while the block runs; a second Ctrl-C raises KeyboardInterrupt at once."""
        handlers = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        if self.signum and number == signal.SIGINT:  # Ctrl-C twice: do not make the person wait
            raise KeyboardInterrupt
        self.signum = number
