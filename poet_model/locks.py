"""Locks on files and folders that end with the process that holds them, however it ends.

It does not depend on what they contain.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(path: Path, *, create: bool = False) -> int | None:
    """Locks a file or a folder.

    Args:
        path: the file or folder.
        create: whether to create a file if there is none.

    Returns:
        A file descriptor, which holds the lock until it is closed or this process ends; None if another
        process, or another descriptor of this one, holds the lock.

    Raises:
        OSError: the file cannot be opened; or locks are not possible on this system, such as on Windows, or
            on this file system, such as some of the network.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "this system has no flock", str(path))
    while True:
        # without O_NONBLOCK, a pipe of that name would be waited for
        mode = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY | os.O_NONBLOCK
        descriptor = os.open(path, mode, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(path, descriptor):
                return descriptor
            os.close(descriptor)  # the last holder has deleted it meanwhile
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise


def is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file or folder is the one that is now found at `path`."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
