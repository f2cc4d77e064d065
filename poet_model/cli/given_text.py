"""Reads the text that a command is given, from a file or from stdin: UTF-8, and not without end."""

from __future__ import annotations

import shlex
import sys

from ..errors import CorpusError, quoted
from ..script import is_hanzi
from ..terminal import is_terminal

STDIN = "-"
MAX_BYTES = 64 << 20


def name_of(source: str) -> str:
    """The name of a source in messages."""
    return "stdin" if source == STDIN else source


def read_given(source: str, command: str) -> str:
    """The text in a file, or what comes from stdin.

    Args:
        source: the path of the file, or STDIN.
        command: the command that can read the text from stdin, for advice.

    Raises:
        CorpusError: it cannot be read, is empty, has more than MAX_BYTES, or is not UTF-8.
    """
    from ..corpus.utf8 import decoded

    name = name_of(source)
    data = _read_stdin() if source == STDIN else _read_file(source, command)
    if len(data) > MAX_BYTES:
        raise CorpusError(f"{name} has more than {MAX_BYTES >> 20} MiB; give it in parts")
    file = "FILE" if source == STDIN else shlex.quote(source)
    text = decoded(data, name, f"convert it first, as in `iconv -f ENCODING -t UTF-8 {file} | {command}`")
    if not text.strip():
        raise CorpusError(f"{name} is empty; give it some text")
    return text


def _read_stdin() -> bytes:
    """What comes from stdin: from a terminal, until the user ends it."""
    if is_terminal(sys.stdin):
        key = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        print(f"type or paste the text, then press {key} on a line of its own", file=sys.stderr)
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _read_file(path: str, command: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise CorpusError(f"{path} is a folder; give a file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero character
        if any(map(is_hanzi, path)) and not isinstance(error, PermissionError):
            raise CorpusError(
                f"there is no file {quoted(path)}; if it is the text itself, pipe it: `echo … | {command}`"
            ) from None
        reason = getattr(error, "strerror", "") or str(error)
        raise CorpusError(f"{quoted(path)} cannot be read ({reason}); check the name") from None
