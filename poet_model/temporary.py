"""Temporary files and folders beside the ones that they will replace, and the removal of abandoned ones.

Each is locked by its maker, so that those of killed processes can be told from those in use.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from .locks import lock

OLD = ".old"  # is added to the name of a temporary folder for the folder whose place it takes


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A context manager that gives the name of a file beside `path`, which is deleted if it is still there.

    Abandoned files of earlier calls for the same path are deleted first.
    """
    remove_abandoned(temporary_paths(path.parent, path.name))
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with _locked(temporary):
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Creates a file and holds its lock while the block runs; does nothing where locks are not possible."""
    try:
        descriptor = lock(path, create=True)
    except OSError:
        descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A context manager that creates a folder in `parent`, to take the place of the file or folder `name`.

    It is deleted at the end if it is still there.
    """
    folder, descriptor = _locked_folder(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _locked_folder(parent: Path, name: str) -> tuple[Path, int | None]:
    """A new folder, and the descriptor that holds its lock; None where locks are not possible."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=parent))
        try:
            descriptor = lock(folder)
        except FileNotFoundError:  # another process took it for abandoned before it was locked
            continue
        except OSError:
            return folder, None
        if descriptor is not None:
            return folder, descriptor


def temporary_paths(folder: Path, name: str | None = None, end: str = "") -> list[Path]:
    """The temporary files and folders in a folder, in use or abandoned.

    Args:
        folder: the folder.
        name: the name of what they are to replace; None for all names.
        end: what their own names have at the end, '' or OLD.
    """
    target = ".+" if name is None else re.escape(name)
    pattern = re.compile(rf"\.{target}\.([a-z0-9_]{{8}}|\d+(-\d+)?)\.tmp{re.escape(end)}", re.DOTALL)
    return [path for path in folder.iterdir() if pattern.fullmatch(path.name)]


def remove_abandoned(paths: Iterable[Path]) -> None:
    """Deletes those of the files and folders whose makers are no longer running.

    Those that cannot be locked here, or not be deleted, stay.
    """
    for path in _not_in_use(paths):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def _not_in_use(paths: Iterable[Path]) -> Iterator[Path]:
    """Those of the files and folders that nobody has locked; each is locked until the next is asked for."""
    for path in paths:
        with contextlib.suppress(OSError):
            if not path.is_symlink() and (descriptor := lock(path)) is not None:
                try:
                    yield path
                finally:
                    os.close(descriptor)
