"""Settings of the memory allocators that torch uses, for training on a CPU.

They must be set before torch is imported. benchmarks/train_memory.py and train_speed.py measure their effect.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_NO_GLIBC = OSError, AttributeError, TypeError  # TypeError on Windows, where CDLL requires a name
_MIB = 1 << 20


def keep_freed_memory() -> None:
    """Makes glibc reuse freed buffers instead of returning them to the system, and limits oneDNN's cache.

    Every step frees and reallocates the memory for its activations, which is slow if the system must clear it
    each time (benchmarks/train_speed.py measures this).

    oneDNN, and torch's own layer above it, cache a compiled LSTM with its buffers for each of the last 1,024
    batch shapes. Batches have hundreds of shapes, at about 2 MiB each, so memory use would grow for hundreds
    of steps.
    """
    for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(variable, "16")
    with suppress(*_NO_GLIBC):
        mallopt = ctypes.CDLL(None).mallopt
        # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h
        for option, value in ((-3, 1024 * _MIB), (-1, 2047 * _MIB), (-2, 64 * _MIB)):
            mallopt(option, value)


def return_freed_memory() -> None:
    """Returns all freed memory to the system.

    Batches differ in size, so the memory freed by one does not always fit the next, and fragments accumulate.
    """
    with suppress(*_NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
