"""StopRequest: Ctrl-C and SIGTERM as requests to stop at a convenient time. Knows nothing of training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Training was stopped by a signal, with its state saved.

    Attributes:
        signum: the number of the signal, SIGINT or SIGTERM.
    """

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StopRequest:
    """Records whether a signal has asked to stop.

    Attributes:
        signum: the number of the latest signal; 0 if none was received.
    """

    def __init__(self):
        self.signum = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Records signals while the block runs; a second one, if Ctrl-C, raises KeyboardInterrupt at once."""
        handlers = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        if self.signum and number == signal.SIGINT:  # the user does not want to wait
            raise KeyboardInterrupt
        self.signum = number
