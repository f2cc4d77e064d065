"""Conversation: asks and answers on a terminal, or line by line from a pipe. It does not write poems."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from ..errors import PoetError
from ..terminal import is_terminal
from .screen import RED, paint
from .write_options import in_words


class Conversation:
    """Where a user and a command talk.

    It is held on stdout if that is a terminal, and otherwise on stderr, so that stdout gets only the result.

    Args:
        in_script: converts what is said to the script that was asked for.
        keeps_stdout_free: whether it is held on stderr in any case.

    Attributes:
        stream: where it is held.
        is_on_stdout: whether that is stdout.
    """

    def __init__(self, in_script: Callable[[str], str], keeps_stdout_free: bool = False):
        self._in_script = in_script
        self.is_on_stdout = is_terminal(sys.stdout) and not keeps_stdout_free
        self.stream: TextIO = sys.stdout if self.is_on_stdout else sys.stderr
        self._is_typed = is_terminal(sys.stdin)
        if self._is_typed:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  lets `input` edit a line with the arrow keys

    def say(self, text: str) -> None:
        """Says something."""
        print(self._in_script(text), file=self.stream, flush=True)

    def ask(self, prompt: str) -> str:
        """What the user types; a pipe is not prompted.

        Raises:
            EOFError: there is nothing more.
        """
        if not self._is_typed:
            return self._piped()
        try:
            if self.is_on_stdout:
                return input(prompt)
            print(prompt, end="", file=self.stream, flush=True)
            return input()
        except UnicodeDecodeError:
            self.say("that cannot be read in this terminal's encoding; type it again")
            return self.ask(prompt)
        except EOFError:
            self.say("")
            raise

    def _piped(self) -> str:
        """The next line of stdin, which is UTF-8."""
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        try:
            return line.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.say(paint("that line is not UTF-8 text; convert it first, as with iconv", RED, self.stream))
            return self._piped()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """A context manager that says an error in one sentence and goes on."""
        try:
            yield
        except PoetError as error:
            sentence = in_words(error).replace("the start ", "the poem ")  # all so far is a start to `stream`
            self.say(paint(sentence, RED, self.stream))
