"""Lets a command run on every terminal: sets up its streams, and the encoding of arguments and file names.

It changes only the process of a command. Importing it changes nothing, and the library itself never calls it.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import TextIO

CLOSED_PIPE = 128 + 13  # the exit status of a program that SIGPIPE ended, as shells report it
_FAILS = ("strict", "surrogateescape", "surrogatepass")  # they raise for a character that the encoding lacks


def on_any_terminal(main: Callable[..., int]) -> Callable[..., int]:
    """Makes the main function of a command end in the same way whatever its streams can show or store.

    Returns:
        The function, which returns the status of `main`, or CLOSED_PIPE if nobody reads the output any more,
        as after `| head`, or 2 if the system refuses to read or write something, such as on a full disk.
    """

    @functools.wraps(main)
    def run(*arguments: object, **options: object) -> int:
        program = sys.modules.get("__main__")
        if getattr(program, main.__name__, None) is run:  # otherwise someone else's process has called this
            use_utf8_names()
        prepare()
        try:
            try:
                return main(*arguments, **options)
            finally:  # also when argparse leaves after --help
                sys.stdout.flush()
        except BrokenPipeError:
            silence()
            return CLOSED_PIPE
        except OSError as error:
            if error.errno is None:  # not from the system
                raise
            silence()
            what = error.filename or "the output"
            print(
                f"error: {what} cannot be read or written ({error.strerror}); check the disk and the "
                "permissions, or give another place",
                file=sys.stderr,
            )
            return 2

    return run


def prepare() -> None:
    """Makes stdout and stderr accept all text, as Python's own stderr does.

    Characters that the encoding of the stream lacks are written as escapes such as \\u6625. A closed stream,
    which is None in Python, becomes one that discards everything.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # opening also takes its number, so that no later file gets what C code prints
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and getattr(stream, "errors", None) in _FAILS and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def use_utf8_names() -> None:
    """Starts this program again in Python's UTF-8 mode if file names cannot be Chinese in its locale.

    Python decodes arguments and file names as ASCII in the locale C if its UTF-8 mode is off. Neither can be
    changed while it runs. The streams keep their encoding, which may be all that the terminal can show.
    """
    try:
        "春".encode(sys.getfilesystemencoding())
    except UnicodeEncodeError:
        if os.name == "posix" and sys.executable and not sys.flags.utf8_mode:
            encoding = getattr(sys.stdout or sys.stderr, "encoding", "ascii")
            os.environ.setdefault("PYTHONIOENCODING", f"{encoding}:backslashreplace")
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def silence() -> None:
    """Discards what stdout and stderr still hold or get, once nobody reads them or they cannot be written."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(devnull, stream.fileno())
    os.close(devnull)


def valid_text(text: str) -> str:
    """The text with U+FFFD for each byte of an argument or a file name that is not UTF-8.

    Python keeps such bytes as lone surrogates, which no file can store as text.
    """
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def width(text: str) -> int:
    """The number of columns that a text takes in a terminal: two for a wide character, such as a hanzi."""
    return sum(map(width_of, text))


def width_of(character: str) -> int:
    """The number of columns that a character takes in a terminal: 0, 1 or 2."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal. None, which stands for a closed stream, is not."""
    return stream is not None and stream.isatty()
