"""StopRequest: Ctrl-C and SIGTERM as requests to stop at the next opportunity. It has no training loop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Training was stopped by a signal, with its state saved.

    Attributes:
        signum: the number of the signal, SIGINT or SIGTERM.
    """

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StopRequest:
    """Records whether a signal has requested a stop.

    Attributes:
        signum: the number of the latest signal; 0 if none was received.
    """

    def __init__(self) -> None:
        self.signum: int = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Records signals while the block runs; Ctrl-C after a first signal raises KeyboardInterrupt."""
        handlers = {number: signal.signal(number, self._record) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signum and number == signal.SIGINT:  # the user does not want to wait
            raise KeyboardInterrupt
        self.signum = number
