"""Runs commands of `poet` for tests: in this process, in a new one, and on a terminal of their own."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence

from conftest import ROOT

PATIENCE = 60  # seconds


class Stdin(io.TextIOWrapper):
    """Bytes that a command reads from its stdin."""

    def __init__(self, data: bytes | str = b""):
        super().__init__(io.BytesIO(data.encode("utf-8") if isinstance(data, str) else data), "utf-8")


def start(words: Sequence[str], **options) -> subprocess.Popen:
    """Starts `poet` with these words in a new process, which has no terminal if it is not given one."""
    environment = (
        os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | options.pop("environment", {})
    )
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(
        [sys.executable, "-m", "poet_model", *map(str, words)], env=environment, cwd=ROOT, **pipes
    )


def run(words: Sequence[str], **options) -> tuple[int, bytes, bytes]:
    """The status, and the bytes on stdout and on stderr."""
    given = options.pop("input", None)
    if given is not None:
        options["stdin"] = subprocess.PIPE
    process = start(words, **options)
    out, errors = process.communicate(given, timeout=PATIENCE)
    return process.returncode, out or b"", errors or b""


class OnTerminal:
    """A command on a pseudo-terminal, on which both sides can wait for what they read.

    Attributes:
        shown: all that the terminal has shown.
        pieces: the same as it arrived, read by read.
    """

    def __init__(self, words: Sequence[str], **options):
        self._ours, theirs = os.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | options
        self.process = start(words, start_new_session=True, **streams)
        os.close(theirs)
        self.shown, self.pieces = "", []
        self._bytes = b""

    def wait_for(self, text: str | None = None) -> str:
        """Reads until the terminal has shown a text that is new, or until the command has ended."""
        before, end = len(self.shown), time.monotonic() + PATIENCE
        while text is None or text not in self.shown[before:]:
            assert time.monotonic() < end, f"{text!r} is not in {self.shown[before:]!r}"
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self._ours, 4096)
            except OSError:  # Linux: the other side has been closed
                piece = b""
            if not piece:
                break
            self.pieces.append(piece)
            self._bytes += piece
            self.shown = self._bytes.decode("utf-8", "ignore").replace("\r\n", "\n")
        return self.shown[before:]

    def type(self, text: str) -> None:
        """Types something, at the end of which Enter is pressed."""
        os.write(self._ours, f"{text}\n".encode())

    def press(self, key: bytes) -> None:
        """Presses a key that is no character, such as Ctrl-D."""
        os.write(self._ours, key)

    def end(self) -> int:
        """Waits for the end, and returns the status."""
        self.wait_for()
        os.close(self._ours)
        return self.process.wait(PATIENCE)
