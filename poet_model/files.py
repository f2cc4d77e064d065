"""Reads JSON, and writes files atomically: other processes see the old or new content.

It does not depend on what the files contain.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

from .errors import CheckpointError, InvalidValueError
from .temporary import temporary_file

MAX_JSON_BYTES = 32 << 20  # the largest file of this package, tokenizer.json, has 0.15 MB


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
    path = Path(path)
    with temporary_file(path) as temporary:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    flush(path.parent)


def append_json_line(path: Path, record: dict) -> None:
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


def read_json_lines(path: Path) -> list[dict]:
    """The JSON objects of a `.jsonl` file.

    Other lines are skipped, such as one that a killed process left incomplete.
    """
    records = []
    if Path(path).is_file():
        for line in Path(path).read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
    return records


def is_number(value: object) -> bool:
    """Whether a value read from JSON is a finite number (true and false count as numbers)."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def read_json(
    path: Path, kind: type, remedy: str = "a model folder needs it: download it again"
) -> dict | list:
    """The content of a JSON file, whose top-level value must be of type `kind`.

    Args:
        path: the file.
        kind: dict or list.
        remedy: what the user should do if the file is missing or damaged; the error message ends with it.

    Raises:
        CheckpointError: the file is missing, unreadable, larger than MAX_JSON_BYTES, not UTF-8, not valid
            JSON, or not a `kind`.
    """
    path = Path(path)
    try:
        if os.path.lexists(path) and not path.is_file():  # reading a pipe would never end
            raise CheckpointError(f"{path} is not a file; {remedy}")
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(
                f"{path} has {path.stat().st_size:,} bytes, more than the limit of {MAX_JSON_BYTES:,}; "
                f"{remedy}"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; {remedy}") from None
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    return parse_json(data, path, kind, remedy)


def parse_json(data: bytes, path: Path, kind: type, remedy: str = "download it again") -> dict | list:
    """Parses the content of the file `path` as `read_json` does; duplicate keys are refused."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
        # fails for a lone surrogate: "\\ud800" is valid JSON, but cannot be UTF-8
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


def _object(pairs: list[tuple[str, object]]) -> dict:
    if len(result := dict(pairs)) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return result


def _looks_like(data: bytes) -> str:
    """What a file that is not JSON is instead, if that can be recognized, otherwise ''."""
    if data.startswith(b"version https://git-lfs"):
        return ", it is a Git LFS pointer"
    return ", it is a web page" if data.lstrip().startswith(b"<") else ""
