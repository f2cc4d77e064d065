"""Reads JSON, and writes files atomically: other processes see the old or new content.

It does not depend on what the files contain.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from .errors import CheckpointError, InvalidValueError, quoted
from .temporary import temporary_file

Json = TypeVar("Json", dict[str, Any], list[Any])  # what a JSON file may hold at its top level
# Parsed JSON takes up to 26 times as much memory as its text, so each reader limits the size of its file.
MAX_JSON_BYTES = 4 << 20  # the largest record of the shipped model has 0.2 MB
MAX_CONFIG_BYTES = 1 << 20
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # the beginning of the only way to write one in JSON


def cache_folder() -> Path:
    """The folder for corpora and indexes: `$POET_CACHE`, or `poet_model` in the user's cache folder."""
    if chosen := os.environ.get("POET_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poet_model"
    except RuntimeError:  # as for a user without a name, in a container
        raise InvalidValueError("you have no home folder; set POET_CACHE to a folder for corpora") from None


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 with Unix line ends, by way of a temporary file in the same folder.

    After a power cut the file has the old or the new content.
    """
    write_pieces(path, [text])


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Like `write_text`, for a text that comes in pieces and need not fit into memory as a whole."""
    with replaced_file(Path(path)) as file:
        file.writelines(piece.encode("utf-8") for piece in pieces)


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """A context manager that gives a new file, which replaces `path` if the block ends without an error.

    If the process is killed, or the power fails, the file has the old or the new content.
    """
    with temporary_file(path) as temporary:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    flush(path.parent)


def append_json_line(path: Path, record: dict[str, Any]) -> None:
    """Appends one JSON object as a line to a `.jsonl` file, after ending an incomplete last line.

    The line survives a power cut.
    """
    is_new = not os.path.exists(path)
    with open(path, "ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write((json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        flush(Path(path).parent)


def flush(path: Path) -> None:
    """Returns when the content of a file, or the list of the files in a folder, would survive a power cut.

    Nothing is done where the system offers no way: for folders on Windows and on some network file systems,
    and for files that this user may not open.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Creates a folder, and the folders above it, if they are missing; they survive a power cut."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush(each.parent)


@contextlib.contextmanager
def opened(path: Path, remedy: str) -> Iterator[BufferedReader]:
    """A context manager that opens a file for reading.

    Args:
        path: the file.
        remedy: what the user should do if it cannot be read; the error message ends with it.

    Raises:
        CheckpointError: it is missing, cannot be read, or is not a regular file: a pipe might never end.
    """
    try:
        if os.path.lexists(path) and not os.path.isfile(path):
            raise CheckpointError(f"{path} is not a file; {remedy}")
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; {remedy}") from None
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {remedy}") from error


def _content(path: Path, limit: int | None, remedy: str) -> bytes:
    """The content of a file, which is read only as far as its size says: some files of the system never end.

    Raises:
        CheckpointError: as in `opened`, or the file has more than `limit` bytes.
    """
    with opened(path, remedy) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise CheckpointError(f"{path} has {size:,} bytes, more than the limit of {limit:,}; {remedy}")
        return file.read(size)


def read_json_lines(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """The JSON objects of a `.jsonl` file; [] if there is no such file.

    Other lines are skipped, such as one that a killed process left incomplete.

    Args:
        path: the file.
        limit: the largest size in bytes; None for a file that was written on this machine.

    Raises:
        CheckpointError: the file cannot be read, or has more than `limit` bytes.
    """
    if not os.path.lexists(path):
        return []
    records = []
    for line in _content(Path(path), limit, "delete it").decode("utf-8", "replace").split("\n"):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records


def is_number(value: object) -> bool:
    """Whether a value read from JSON is a finite number (true and false count as numbers)."""
    # NaN and the infinities are not below the largest float; nor are some whole numbers of JSON
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def read_json(
    path: Path,
    kind: type[Json],
    remedy: str = "a model folder needs it: download it again",
    limit: int = MAX_JSON_BYTES,
) -> Json:
    """The content of a JSON file, whose top-level value must be of type `kind`.

    Args:
        path: the file.
        kind: dict or list.
        remedy: what the user should do if the file is missing or damaged; the error message ends with it.
        limit: the largest size in bytes.

    Raises:
        CheckpointError: the file is missing, unreadable, larger than `limit`, not UTF-8, not valid JSON, or
            not a `kind`.
    """
    return parse_json(_content(Path(path), limit, remedy), path, kind, remedy)


def parse_json(data: bytes, path: Path, kind: type[Json], remedy: str = "download it again") -> Json:
    """Parses the content of the file `path` as `read_json` does; duplicate keys are refused."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
        if _LONE_SURROGATE.search(data):  # "\\ud800" is valid JSON, but cannot be UTF-8
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} cannot be read as UTF-8 text ({error}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}){_looks_like(data)}; {remedy}") from error
    if not isinstance(value, kind):
        raise CheckpointError(
            f"{path} holds a JSON {type(value).__name__}, expected a {kind.__name__}; {remedy}"
        )
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, Any]:
    if len(result := dict(pairs)) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {quoted(key)} occurs twice")
            seen.add(key)
    return result


def _looks_like(data: bytes) -> str:
    """What a file that is not JSON is instead, if that can be recognized, otherwise ''."""
    if data.startswith(b"version https://git-lfs"):
        return ", it is a Git LFS pointer"
    return ", it is a web page" if data.lstrip().startswith(b"<") else ""
