"""Tensors of torch as the NumPy arrays of weights.py, where bfloat16 is stored as uint16, and back."""

from __future__ import annotations

import torch

from .weights import Tensor


def to_array(value: torch.Tensor) -> Tensor:
    """A tensor on the CPU as an array, which shares its memory if it is contiguous."""
    array: Tensor = (
        (value.view(torch.uint16) if value.dtype == torch.bfloat16 else value).contiguous().numpy()
    )
    return array


def to_tensor(array: Tensor) -> torch.Tensor:
    """An array as a tensor, which shares its memory."""
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
