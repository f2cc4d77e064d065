"""Replaces folders atomically, and reads folders that another process may be replacing.

It does not depend on what the folders contain.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from .errors import CheckpointError

_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100
T = TypeVar("T")


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A context manager that gives a new folder, which replaces `folder` if the block ends without an error.

    Files of the old folder that the block did not write are carried over. On Linux, if the process is killed,
    `folder` is completely the old or completely the new one. Other systems cannot swap two folders in one
    step: after a kill between the two renames `folder` is missing, and the old one is beside its place, under
    a name that ends in `.old`. If the working directory of this process is `folder` or lies below it, the
    files are replaced one by one, which is not atomic.

    Raises:
        CheckpointError: `folder` is a file, or lies below one, or cannot be created.
    """
    folder = Path(folder).resolve()  # if it is a link, its target is replaced and the link stays
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; give a folder to save to")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    except (FileExistsError, NotADirectoryError):
        raise CheckpointError(f"{folder} lies below a file; give another folder to save to") from None
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror}); give another folder"
        ) from error
    try:
        fresh.chmod(0o777 & ~_umask())
        yield fresh
        if folder.exists() and _works_in(folder):  # a swap would take away the working directory
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
    """Whether the working directory of this process is the folder or lies below it."""
    try:
        return Path.cwd().is_relative_to(folder)
    except FileNotFoundError:  # the working directory has been deleted
        return False


def read_steadily(folder: Path, read: Callable[[], T]) -> T:
    """The result of `read()`, which is called again if another process replaces files of `folder` meanwhile.

    Raises:
        CheckpointError: `read` raised it, and the folder did not change meanwhile.
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
    """A value that changes when the folder, or a file in it, is replaced; None if there is no folder."""
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
    """Hard-links, or copies where links are not possible, all entries of `old` that `new` lacks."""
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
    """Swaps two folders, in one step where Linux supports it, otherwise by renames."""
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
