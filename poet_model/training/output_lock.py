"""OutputLock: keeps a second training run out of an output folder. It does not depend on the training."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from pathlib import Path

from ..errors import CheckpointError, InvalidValueError
from ..files import make_folder
from ..locks import lock

_NAME = ".training.lock"


class OutputLock:
    """A lock on the output folder of a training run, held while a `with` block runs.

    A process that is killed leaves a file behind, but no lock. Where the file system has no locks, and on
    Windows, a second run is not noticed.

    Args:
        folder: the output folder, which is created if it is missing, and removed if it is empty at the end.
    """

    def __init__(self, folder: Path):
        self.folder: Path = folder
        self._path = folder / _NAME
        self._descriptor: int | None = None
        self._holder = ""  # the content of the lock file; '' while the lock is not held

    @property
    def is_held(self) -> bool:
        """Whether the `with` block is running."""
        return bool(self._holder)

    def for_process(self, is_main: bool) -> contextlib.AbstractContextManager[object]:
        """The lock, for a `with` of the main process; nothing in the others, or if it is held already."""
        return self if is_main and not self.is_held else contextlib.nullcontext()

    def __enter__(self) -> OutputLock:
        """Takes the lock.

        Raises:
            InvalidValueError: another training run holds it, or the folder cannot be written to.
        """
        self._made_folder = not self.folder.exists()
        try:
            make_folder(self.folder)
            self._path.touch()
            self._lock()
            holder = f"process {os.getpid()} on {platform.node() or 'this machine'}, since {time.ctime()}"
            self._path.write_text(holder, encoding="utf-8")
        except OSError as error:
            raise InvalidValueError(
                f"--output {self.folder} cannot be written to ({error.strerror}); give another folder"
            ) from error
        self._holder = holder
        return self

    def _lock(self) -> None:
        try:
            self._descriptor = lock(self._path, create=True)
        except OSError:  # no locks here
            return
        if self._descriptor is None:
            other = self._path.read_text(encoding="utf-8", errors="replace")[:200]
            raise InvalidValueError(
                f"another training writes to {self.folder} ({other}); wait for it, or give another --output"
            )

    def check(self) -> None:
        """Checks that the folder is still the one that was locked; does nothing if the lock is not held.

        Raises:
            CheckpointError: the folder was deleted, or another one is in its place.
        """
        if not self.is_held:
            return
        try:
            found = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            found = ""
        if found != self._holder:
            what = "another folder is in its place" if self.folder.exists() else "it was deleted or moved"
            raise CheckpointError(
                f"{self.folder} is not the folder that this training began with: {what}; bring it back and "
                "add --resume, or start again"
            )

    def __exit__(self, *error: object) -> None:
        """Gives the lock back."""
        with contextlib.suppress(OSError, CheckpointError):
            self.check()
            self._path.unlink()
            if self._made_folder:
                self.folder.rmdir()  # fails if something was saved
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._holder, self._descriptor = "", None
