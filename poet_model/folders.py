"""Replaces folders as a whole, and reads folders that another process may be replacing.

It does not depend on what the folders contain.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from .errors import CheckpointError
from .files import flush, make_folder
from .temporary import OLD, remove_abandoned, temporary_folder, temporary_paths

_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100
_COMPLETE = ".save.complete"  # in a folder that cannot be renamed: a complete save, on its way to its place
T = TypeVar("T")


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A context manager that gives a new folder, which replaces `folder` if the block ends without an error.

    Files of the old folder that the block did not write are carried over. If the process is killed, or the
    power fails, `folder` is completely the old or completely the new one:

    - On Linux the two folders are swapped in one step, once the new one is on the disk.
    - Other systems cannot do that. After a kill between two renames `folder` is missing, and the old one is
      beside its place, under a name that ends in `.old`; the next save puts it back.
    - A folder that cannot be renamed stays, and the new files are moved into it one by one: a mount point, a
      folder whose parent belongs to someone else, or one that this process works in. Until all are moved,
      those that are not yet wait in `.save.complete`; `read_steadily` and the next save finish the move.

    What a killed process left behind is deleted by the next save.

    Raises:
        CheckpointError: `folder` is a file, or lies below one, or cannot be created or written to.
        OSError: the system failed while the files were written, such as when the disk is full; `folder` is as
            it was.
    """
    folder = Path(folder).resolve()  # if it is a link, its target is replaced and the link stays
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; give a folder to save to")
    with contextlib.ExitStack() as stack:
        try:
            make_folder(folder.parent)
            _clean(folder)
            fresh = _fresh_folder(folder, stack)
            fresh.chmod(0o777 & ~_umask())
        except (FileExistsError, NotADirectoryError):
            raise CheckpointError(f"{folder} lies below a file; give another folder to save to") from None
        except OSError as error:
            raise CheckpointError(
                f"{folder} cannot be written ({error.strerror}); give another folder"
            ) from error
        try:
            yield fresh
            _put_in_place(fresh, folder)
        except OSError as error:
            if error.errno is None or not str(error.filename or fresh).startswith(str(fresh)):
                raise
            raise OSError(error.errno, error.strerror, str(folder)) from error


def read_steadily(folder: Path, read: Callable[[], T]) -> T:
    """The result of `read()`, which is called again if another process replaces files of `folder` meanwhile.

    Raises:
        CheckpointError: `read` raised it, and the folder did not change meanwhile; or a save that was cut off
            cannot be finished.
    """
    while True:
        finish_save(folder)
        before = _stamp(folder)
        try:
            result = read()
        except CheckpointError:
            if _stamp(folder) == before:
                raise
        else:
            if _stamp(folder) == before:
                return result


def finish_save(folder: Path) -> None:
    """Moves the rest of a complete save that was cut off to its place, in a folder that cannot be renamed.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    complete = folder / _COMPLETE
    if not os.path.isdir(complete) or complete.is_symlink():  # os.path accepts any text, of any length
        return
    try:
        _move_into(complete, folder)
        flush(folder)
    except OSError as error:
        raise CheckpointError(
            f"{folder} has a save that was cut off, which cannot be finished ({error.strerror}); load the "
            "folder once where it can be written to"
        ) from error
    shutil.rmtree(complete, ignore_errors=True)


def _move_into(source: Path, target: Path) -> None:
    """Moves all entries of `source` to `target`, where they replace those of the same name."""
    for entry in list(source.iterdir()):
        place = target / entry.name
        if place.is_dir() and not place.is_symlink():
            if entry.is_dir() and not entry.is_symlink():
                _move_into(entry, place)
                continue
            shutil.rmtree(place)
        with contextlib.suppress(FileNotFoundError):  # another process finishes the save, too
            os.replace(entry, place)


def _clean(folder: Path) -> None:
    """Undoes or finishes what a killed process has begun in `folder` or beside it."""
    olds = temporary_paths(folder.parent, folder.name, OLD)
    if not folder.exists() and olds:
        os.rename(max(olds, key=os.path.getmtime), folder)
    if folder.exists():
        finish_save(folder)
        remove_abandoned([*olds, *temporary_paths(folder)])
    remove_abandoned(temporary_paths(folder.parent, folder.name))


def _fresh_folder(folder: Path, stack: contextlib.ExitStack) -> Path:
    """A new folder, beside `folder` if that can be renamed, otherwise in it; `stack` will delete it."""
    if not folder.exists():
        return stack.enter_context(temporary_folder(folder.parent, folder.name))
    if not _works_in(folder):  # otherwise a swap would take away the working directory
        with contextlib.suppress(OSError), contextlib.ExitStack() as beside:
            fresh = beside.enter_context(temporary_folder(folder.parent, folder.name))
            if _can_rename(folder, fresh):
                stack.push(beside.pop_all())
                return fresh
    return stack.enter_context(temporary_folder(folder, "save"))


def _can_rename(folder: Path, other: Path) -> bool:
    """Whether `folder` could be renamed to the empty folder `other`."""
    taken = other / "taken"
    taken.touch()
    try:
        os.rename(folder, other)  # fails in any case, since `other` is not empty
    except OSError as error:
        return error.errno in (errno.ENOTEMPTY, errno.EEXIST)
    finally:
        taken.unlink()
    return False


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Replaces `folder` by `fresh`, which lies beside it or in it."""
    if fresh.parent == folder:
        _flush_all(fresh)
        os.rename(fresh, folder / _COMPLETE)
        flush(folder)
        finish_save(folder)
        return
    is_first = not folder.exists()
    if not is_first:
        _carry_over(folder, fresh)
    _flush_all(fresh)
    if is_first:
        os.replace(fresh, folder)
    else:
        _exchange(fresh, folder)
    flush(folder.parent)  # before the old folder is deleted


def _flush_all(folder: Path) -> None:
    """Returns when everything in the folder would survive a power cut."""
    for root, _, names in os.walk(folder, topdown=False):
        for path in (Path(root, name) for name in names):
            if path.is_file() and not path.is_symlink():
                flush(path)
        flush(Path(root))


def _works_in(folder: Path) -> bool:
    """Whether the working directory of this process is the folder or lies below it."""
    try:
        return Path.cwd().is_relative_to(folder)
    except FileNotFoundError:  # the working directory has been deleted
        return False


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


def _link(source: str | Path, target: str | Path) -> None:
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
    aside = second.with_name(first.name + OLD)
    os.replace(second, aside)
    try:
        os.replace(first, second)
    except OSError:
        os.replace(aside, second)
        raise
    os.replace(aside, first)
