"""What the allocators below torch do with memory while a model is trained on a CPU. Knows no model.

Both are told before torch is loaded, and measured by benchmarks/train_memory.py and train_speed.py.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_NO_GLIBC = OSError, AttributeError, TypeError  # the last on Windows, where CDLL wants a name
_MIB = 1 << 20


def keep_freed_memory() -> None:
    """Lets glibc reuse freed buffers instead of giving each back at once, and oneDNN keep few LSTMs.

    What a step needs for its activations is freed and asked for again in every step, which costs time if the
    system has to clear it anew (benchmarks/train_speed.py says how much).

    oneDNN, and torch's own layer above it, keep a compiled LSTM with its buffers for each of the last 1,024
    shapes of a batch. Batches come in hundreds of shapes, about 2 MiB each, so that memory would grow for
    hundreds of steps.
    """
    for variable in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(variable, "16")
    with suppress(*_NO_GLIBC):
        mallopt = ctypes.CDLL(None).mallopt
        # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h
        for option, value in ((-3, 1024 * _MIB), (-1, 2047 * _MIB), (-2, 64 * _MIB)):
            mallopt(option, value)


def return_freed_memory() -> None:
    """Gives all freed memory back at once.

    Batches differ in size: what one leaves free does not always fit the next, and the pieces add up.
    """
    with suppress(*_NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
