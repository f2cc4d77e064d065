"""This machine: in words, and what it can compute in. Asks the hardware by trying, not by name."""

from __future__ import annotations

import os
import platform

import torch
from torch import nn


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
