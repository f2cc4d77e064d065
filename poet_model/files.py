"""Files and folders that are either wholly the old or wholly the new. Knows nothing of models."""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from .errors import CheckpointError

MAX_JSON_BYTES = 32 << 20  # the largest of ours, tokenizer.json, has 0.15 MB
_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100
T = TypeVar("T")


def cache_folder() -> Path:
    """Where corpora and indexes are kept: `$POET_CACHE`, or `poet_model` in the user's cache folder."""
    if os.environ.get("POET_CACHE"):
        return Path(os.environ["POET_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poet_model"


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 with Unix line ends, through a temporary file beside `path`."""
    write_pieces(path, [text])


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """As `write_text`, a text that comes in pieces and need not fit into memory."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def append_json_line(path: Path, record: dict) -> None:
    """Adds one JSON object as a line at the end of a `.jsonl` file; a cut line is ended first."""
    with open(path, "ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write((json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8"))


def read_json_lines(path: Path) -> list[dict]:
    """All whole JSON objects of a `.jsonl` file; a line cut short by a kill is left out."""
    records = []
    if Path(path).is_file():
        for line in Path(path).read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
    return records


def is_number(value: object) -> bool:
    """Whether a value read from JSON is a number, and a finite one."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def read_json(
    path: Path, kind: type, remedy: str = "a model folder needs it: download it again"
) -> dict | list:
    """The content of a JSON file, which must be of type `kind` at the top.

    Args:
        path: of the file.
        kind: dict or list.
        remedy: what to do if it is missing or damaged; the message ends with it.

    Raises:
        CheckpointError: missing, unreadable, far too large, not UTF-8, not JSON, or not a `kind`.
    """
    path = Path(path)
    try:
        if os.path.lexists(path) and not path.is_file():  # a pipe would never end
            raise CheckpointError(f"{path} is no file; {remedy}")
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(
                f"{path} has {path.stat().st_size:,} bytes, more than any of ours ({MAX_JSON_BYTES:,}); "
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
    """JSON that came from `path`: no key twice, no half characters, `kind` at the top."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # "\\ud800" is JSON, but no character
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
    if len(found := dict(pairs)) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


def _looks_like(data: bytes) -> str:
    """What a file that should be JSON is instead, where that is known."""
    if data.startswith(b"version https://git-lfs"):
        return ", it is a Git LFS pointer"
    return ", it is a web page" if data.lstrip().startswith(b"<") else ""


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Gives a new folder to fill, which takes the place of `folder` when the block ends without an error.

    Files of the old folder that the block did not write are carried over. After a kill at any moment
    `folder` is the old one or the new one, whole; where the system cannot swap two folders in one step (not
    Linux), a kill between two renames may leave the old one beside it, under a name that ends in `.old`. The
    folder that this process works in is filled file by file.

    Raises:
        CheckpointError: `folder` is a file, or lies below one.
    """
    folder = Path(folder).resolve()  # through a link, so that the link stays one
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CheckpointError(f"{folder} lies below a file; give another folder to save to") from None
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; give a folder to save to")
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        fresh.chmod(0o777 & ~_umask())
        yield fresh
        if folder.exists() and _works_in(folder):  # swapped, it would be gone from under us
            for path in fresh.iterdir():
                os.replace(path, folder / path.name)
        elif folder.exists():
            _carry_over(folder, fresh)
            _exchange(fresh, folder)
        else:
            os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _works_in(folder: Path) -> bool:
    """Whether this process stands in the folder or below it."""
    try:
        return Path.cwd().is_relative_to(folder)
    except FileNotFoundError:  # where it stood is gone
        return False


def read_steadily(folder: Path, read: Callable[[], T]) -> T:
    """What `read()` gives, which reads several files of `folder`, all of them from before or after a save.

    Raises:
        CheckpointError: what `read` raises about a folder that nobody replaced meanwhile.
    """
    while True:
        before = _stamp(folder)
        try:
            result = read()
        except CheckpointError:
            if _stamp(folder) == before:
                raise
        else:
            if _stamp(folder) == before:
                return result


def _stamp(folder: Path) -> tuple[int, int, int] | None:
    """Changes when another folder takes this place, or a file in it is replaced."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns, status.st_mtime_ns


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _carry_over(old: Path, new: Path) -> None:
    """Hard-links (or copies, where links are not possible) what `old` has and `new` has not."""
    for entry in old.iterdir():
        target = new / entry.name
        if target.exists() or target.is_symlink():
            if all(path.is_dir() and not path.is_symlink() for path in (entry, target)):
                _carry_over(entry, target)
        elif entry.is_symlink():
            target.symlink_to(os.readlink(entry))
        elif entry.is_dir():
            shutil.copytree(entry, target, symlinks=True, copy_function=_link)
        else:
            _link(entry, target)


def _link(source, target) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _exchange(first: Path, second: Path) -> None:
    """Swaps two folders: in one step where Linux offers it, else by two renames."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is not None:
        status = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
        if status == 0:
            return
    aside = second.with_name(f"{first.name}.old")
    os.replace(second, aside)
    try:
        os.replace(first, second)
    except OSError:
        os.replace(aside, second)
        raise
    os.replace(aside, first)
