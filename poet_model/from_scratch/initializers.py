"""Initial weights, and what they do to the gradients. Each function makes one array, for any layer.

A gradient that goes back n steps is multiplied n times by a weight matrix. If the matrix stretches vectors,
the gradient explodes; if it shrinks them, it vanishes. If all weights are equal, all units of a layer receive
the same gradient and stay equal forever. The experiment `initialization` shows each case.
"""

from __future__ import annotations

import math

import numpy as np

from .functional import Array


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """All 0. Right for biases. As weights, they keep all units equal and let no gradient through."""
    return np.zeros(shape, np.float32)


def normal(shape: tuple[int, ...], rng: np.random.Generator, std: float = 0.02) -> Array:
    """N(0, std²). A small std is safe but slow to start: over t steps, a gradient shrinks like stdᵗ."""
    return (std * rng.standard_normal(shape)).astype(np.float32)


def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """U(-1/√K, 1/√K), where K is the size of the input. (torch.nn.LSTM uses its hidden size as K.)"""
    bound = 1 / math.sqrt(shape[-1])
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def xavier(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """U(-a, a), a = √(6 / (K + N)): keeps the variance, forward and backward (Glorot & Bengio 2010)."""
    bound = math.sqrt(6 / (shape[0] + shape[-1]))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Square blocks Q with QᵀQ = 1. They change no length, over any number of steps (Saxe et al. 2014)."""
    columns = shape[-1]
    blocks = []
    for start in range(0, shape[0], columns):
        q, r = np.linalg.qr(rng.standard_normal((columns, columns)))
        blocks.append((q * np.sign(np.diag(r)))[: shape[0] - start])  # the signs make every Q equally likely
    return np.concatenate(blocks).astype(np.float32)


INITIALIZERS = {
    "zeros": zeros,
    "normal": normal,
    "uniform": uniform,
    "xavier": xavier,
    "orthogonal": orthogonal,
}
