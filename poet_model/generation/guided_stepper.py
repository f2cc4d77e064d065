"""GuidedStepper: runs a model with and without the title, so that the title can be made to count for more.

This is classifier-free guidance for text (Sanchez et al. 2023, arXiv 2306.17806).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from ..tokenizer import PoetTokenizer
from .request import Request
from .stepper import Stepper


class GuidedState(NamedTuple):
    """The states of the model with and without the title.

    Attributes:
        with_title, without_title: the states of the stepper.
        logits: (B, V) the next logits without the title.
    """

    with_title: Any
    without_title: Any
    logits: FloatArray


class GuidedStepper:
    """A Stepper whose logits are those with the title, and which can guide them away from those without it.

    Every step runs the model twice.

    Args:
        stepper: the model.
        tokenizer: its tokenizer.
        request: the header, and the `guidance_scale`.
    """

    def __init__(self, stepper: Stepper, tokenizer: PoetTokenizer, request: Request):
        self._stepper, self._scale = stepper, np.float32(request.config.guidance_scale)
        self._header = len(tokenizer.encode_header(request.title, request.author, request.form))
        self._without_title = tokenizer.encode_header("", request.author, request.form)

    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, GuidedState]:
        """Like Stepper.read; the prompt begins with the header of the request."""
        logits, with_title = self._stepper.read(ids, first)
        other = [*self._without_title, *ids[self._header :]]
        other_logits, without_title = self._stepper.read(other, len(other) - 1)
        return logits, GuidedState(with_title, without_title, other_logits)

    def step(self, ids: IntArray, state: GuidedState) -> tuple[FloatArray, GuidedState]:
        """Like Stepper.step."""
        logits, with_title = self._stepper.step(ids, state.with_title)
        other_logits, without_title = self._stepper.step(ids, state.without_title)
        return logits, GuidedState(with_title, without_title, other_logits)

    def select(self, state: GuidedState, rows: Sequence[int] | IntArray) -> GuidedState:
        """Like Stepper.select."""
        select, numbers = self._stepper.select, np.asarray(rows, dtype=np.int64)
        return GuidedState(
            select(state.with_title, rows), select(state.without_title, rows), state.logits[numbers]
        )

    def guide(self, logits: FloatArray, state: GuidedState) -> None:
        """Guides the logits (B, V) with the title, in place: `without + scale * (with - without)`.

        The equation is one of log-probabilities. Logits differ from them by a number per row, which no
        probability depends on.
        """
        logits -= state.logits
        logits *= self._scale
        logits += state.logits
