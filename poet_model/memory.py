"""What glibc does with freed memory while a model is trained. Elsewhere nothing happens."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_NO_GLIBC = OSError, AttributeError, TypeError  # the last on Windows, where CDLL wants a name


def keep_freed_memory() -> None:
    """Lets glibc reuse freed buffers instead of giving each back (see benchmarks/train_speed.py).

    To be called before torch is loaded, and `return_freed_memory` now and then.
    """
    with suppress(*_NO_GLIBC):
        mallopt = ctypes.CDLL(None).mallopt
        # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h
        for option, value in ((-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 1 << 28)):
            mallopt(option, value)


def return_freed_memory() -> None:
    """Gives all of it back at once.

    Batches differ in size: what one leaves free does not fit the next, and in an hour the pieces would fill
    24 GB.
    """
    with suppress(*_NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
