"""Describes this machine, and finds by tests, not by its name, which number types it can compute in."""

from __future__ import annotations

import platform

import torch
from torch import nn

from .cores import usable_cores
from .errors import InvalidValueError, quoted

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types that weights may have


def best_precision(on_gpu: bool) -> str:
    """The fastest precision on this machine, as Accelerate names it: `fp16`, `bf16` or `no` (float32).

    It is fp16 on a GPU, because cuDNN's persistent LSTM kernel supports neither bf16 nor float32. On a CPU it
    is bf16 if the CPU has instructions for it and oneDNN can train an LSTM with it.
    """
    if on_gpu:
        return "fp16"
    return "bf16" if cpu_trains_in_bf16() else "no"


def cpu_trains_in_bf16() -> bool:
    """Whether this CPU has bf16 instructions and an LSTM can be trained on it under bf16 autocast."""
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
    """A short description of this machine."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"CPU ({platform.machine()}, {capability}), {usable_cores()} cores"


def device_named(device: str | torch.device | None) -> torch.device:
    """The device with this name; the CPU for None.

    Raises:
        InvalidValueError: this machine has no such device.
    """
    try:
        return torch.empty(0, device="cpu" if device is None else device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # torch without CUDA fails an assertion
        raise InvalidValueError(
            f"device {quoted(device)} cannot be used here ({str(error).splitlines()[0]}); leave it out for "
            "the CPU"
        ) from error


def dtype_named(dtype: torch.dtype | str | None, on_disk: torch.dtype) -> torch.dtype:
    """The type of the weights in memory.

    Args:
        dtype: the type or its name; None means float32, "auto" means `on_disk`.
        on_disk: the type of the weights on disk.

    Raises:
        InvalidValueError: weights cannot have that type.
    """
    if dtype is None:
        return torch.float32
    if dtype == "auto":
        return on_disk
    result = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if result not in DTYPES:
        names = ", ".join(str(known).removeprefix("torch.") for known in DTYPES)
        raise InvalidValueError(f"dtype must be one of {names} or 'auto', got {quoted(dtype)}")
    return result
