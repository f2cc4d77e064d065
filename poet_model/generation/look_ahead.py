"""Looks ahead of a place where few characters are allowed, so that the poem is led to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import FloatArray
from .filters import LogitFilter
from .guided_stepper import GuidedStepper
from .row import Row
from .sampling import largest
from .stepper import Stepper

LOOK_AHEAD = 24  # candidate characters that are evaluated before a rhyme word
LOOK_AHEAD_ROWS = 16  # rows that are evaluated in one batch


def look_ahead(
    stepper: Stepper,
    state: Any,
    logits: FloatArray,
    rows: Sequence[Row],
    filters: Sequence[LogitFilter],
    temperature: float,
    tokens: tuple[str, ...],
) -> None:
    """Before a rhyme word or a given character, reweights each by how likely an allowed one follows it.

    Few characters are allowed there, so the model has to be led to one of them. Each of
    the LOOK_AHEAD likeliest characters c gets the probability p(c), times the total probability of the
    characters that the filters allow after c. All other characters are barred.

    Args:
        stepper: the model.
        state: its state before the character, for B rows.
        logits: (B, V), changed in place for the rows in which such a place comes after the next character.
        rows: the B rows.
        filters: the rules to apply.
        temperature: the temperature of the sampling; 0 counts as 1 here.
        tokens: the V tokens of the vocabulary.
    """
    numbers = [
        i for i, row in enumerate(rows) if row.form and row.state and row.form.is_before_few(row.state)
    ]
    for first in range(0, len(numbers), LOOK_AHEAD_ROWS):
        part = numbers[first : first + LOOK_AHEAD_ROWS]
        ids = largest(logits[part], LOOK_AHEAD)  # (R, C)
        values = np.take_along_axis(logits[part], ids, axis=1)
        after, then = stepper.step(ids.ravel(), stepper.select(state, np.repeat(part, ids.shape[1])))
        if isinstance(stepper, GuidedStepper):
            stepper.guide(after, then)
        allowed = np.flatnonzero(np.isfinite(values).ravel())  # indices into the R x C candidates
        ahead = [rows[part[i // ids.shape[1]]].after(tokens[ids.flat[i]]) for i in allowed]
        gain = np.full(ids.size, -np.inf, np.float32)
        gain[allowed] = _log_share_allowed(after[allowed], ahead, filters)
        logits[part] = -np.inf
        weighed = values + np.float32(temperature or 1.0) * gain.reshape(values.shape)
        logits[np.array(part)[:, None], ids] = weighed


def _log_share_allowed(logits: FloatArray, rows: Sequence[Row], filters: Sequence[LogitFilter]) -> FloatArray:
    """The log of the total probability (N,) of the ids that the filters allow; changes the logits (N, V)."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    for rule in filters:
        rule(logits, rows)
    is_allowed = logits > -np.inf
    share = (weights * is_allowed).sum(axis=1) / weights.sum(axis=1)
    # a share that is too small for a float32 is still possible
    share = np.maximum(share, np.finfo(np.float32).tiny * is_allowed.any(axis=1))
    with np.errstate(divide="ignore"):  # log(0) is -inf where no id is allowed
        return np.asarray(np.log(share), np.float32)
