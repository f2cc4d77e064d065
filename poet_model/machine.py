"""This machine: in words, and what it can compute in. Asks the hardware by trying, not by name."""

from __future__ import annotations

import os
import platform

import torch
from torch import nn

from .errors import InvalidValueError

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # of weights


def best_precision(on_gpu: bool) -> str:
    """The fastest precision that works here, as Accelerate names it: `fp16`, `bf16` or `no` (float32).

    A GPU gets fp16: cuDNN's persistent LSTM kernel takes neither bf16 nor float32. A CPU gets bf16 where it
    has instructions for it and oneDNN can train an LSTM in it.
    """
    if on_gpu:
        return "fp16"
    return "bf16" if cpu_trains_in_bf16() else "no"


def cpu_trains_in_bf16() -> bool:
    """Whether an LSTM can be trained under bf16 autocast on this CPU, and gains by it."""
    has_instructions = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    if not has_instructions:
        return False
    try:
        lstm = nn.LSTM(32, 32, batch_first=True)
        with torch.autocast("cpu", torch.bfloat16):
            output, _ = lstm(torch.zeros(2, 3, 32))
        output.float().sum().backward()
    except RuntimeError:  # oneDNN has no bf16 LSTM here
        return False
    return True


def machine() -> str:
    """This machine in a few words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), {cores} cores"


def device_named(device: str | torch.device | None) -> torch.device:
    """A device of this machine; None: the CPU.

    Raises:
        InvalidValueError: there is no such device here.
    """
    try:
        return torch.empty(0, device="cpu" if device is None else device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # torch without CUDA fails an assertion
        raise InvalidValueError(
            f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); leave it out for the CPU"
        ) from error


def dtype_named(dtype: torch.dtype | str | None, on_disk: torch.dtype) -> torch.dtype:
    """The type of weights in memory: None is float32, "auto" as they are on disk.

    Raises:
        InvalidValueError: weights cannot have that type.
    """
    if dtype is None:
        return torch.float32
    if dtype == "auto":
        return on_disk
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if found not in DTYPES:
        names = ", ".join(str(known).removeprefix("torch.") for known in DTYPES)
        raise InvalidValueError(f"dtype must be one of {names} or 'auto', got {dtype!r}")
    return found
