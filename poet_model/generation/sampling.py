"""Drawing characters from logits."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..errors import InvalidValueError
from .options import GenerationConfig


def sample(logits: torch.Tensor, uniforms: np.ndarray, config: GenerationConfig) -> np.ndarray:
    """Draws one id a row, by the inverse of the cumulative probabilities in float64.

    Args:
        logits: (B, V); -inf where an id is barred.
        uniforms: (B,) numbers in [0, 1), one a row: all the chance there is.

    Returns:
        (B,) ids.

    Raises:
        InvalidValueError: in a row everything is barred. No rule is ever dropped in silence.
    """
    if config.temperature == 0:
        likeliest, ids = logits.max(dim=1)
        _check_not_barred(likeliest)
        return ids.cpu().numpy()
    top_k = min(config.top_k or logits.shape[1], logits.shape[1])
    values, ids = (part.cpu().numpy() for part in logits.topk(top_k, dim=1))  # (B, k), likeliest first
    _check_not_barred(values[:, 0])
    with np.errstate(over="ignore"):  # a tiny temperature: exp(-inf) is rightly 0
        weights = np.exp((values.astype(np.float64) - values[:, :1]) / config.temperature)
    if config.top_p < 1:
        before = np.cumsum(weights, axis=1) - weights  # what the likelier ones have together
        weights[before >= config.top_p * weights.sum(axis=1, keepdims=True)] = 0
    order = np.argsort(ids, axis=1)  # cumulate in the order of ids: equal logits may come in any
    rows = np.arange(len(ids))
    cumulative = np.cumsum(weights[rows[:, None], order], axis=1)
    chosen = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    return ids[rows, order[rows, np.minimum(chosen, top_k - 1)]]


def _check_not_barred(likeliest: torch.Tensor | np.ndarray) -> None:
    if (likeliest == -math.inf).any():
        raise InvalidValueError(
            "the wishes together leave nothing that may stand next; take another seed, or ask for less",
            chinese="這些要求合在一起，接不下去了；請換個種子，或少些要求。",
        )
