"""What a candidate for a line is worth, beside its probability. `best_of` draws lines by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..arrays import FloatArray
from ..tokenizer import PoetTokenizer
from .request import Request
from .row import Row
from .sampling import log_probs_of

if TYPE_CHECKING:
    from .decoding import Stepper


class LineScorer(Protocol):
    """A preference among the candidates for the next line of a poem."""

    def __call__(self, rows: Sequence[Row]) -> FloatArray:
        """Scores the candidates of all poems of the batch.

        Args:
            rows: the B rows, each at the end of its line and before the line end, all at the same line of
                the same form. `row.line` is the candidate, `row.state.line` its number from 0, and `row.text`
                ends with it.

        Returns:
            (B,) nats to add to the log-probability of the line. Only the differences between candidates of
            one poem (`row.poem`) matter.
        """


class MutualInformation:
    """Prefers lines that fit the poem to lines that fit every poem: maximum mutual information, MMI-antiLM.

    A line's score is -λ log p(line alone), the probability that the model gives its characters as the first
    line of a poem of the same form about which nothing is known. With the log-probability of the line in its
    poem, that is log p(line | poem) - λ log p(line), equation 9 of Li et al. 2016, "A Diversity-Promoting
    Objective Function for Neural Conversation Models".

    Args:
        stepper: the model.
        tokenizer: its tokenizer.
        form: the form of the poem.
        weight: λ.
    """

    def __init__(self, stepper: Stepper, tokenizer: PoetTokenizer, form: str, weight: float):
        header = tokenizer.encode_header("", "", form)
        self._first, self._state = stepper.read(header, first=len(header) - 1)
        self._stepper, self._tokenizer, self._weight = stepper, tokenizer, weight

    def __call__(self, rows: Sequence[Row]) -> FloatArray:
        lines = {line: number for number, line in enumerate(dict.fromkeys(row.line for row in rows))}
        ids = np.array([self._tokenizer.encode_characters(line) for line in lines])  # (N, L)
        state = self._stepper.select(self._state, [0] * len(ids))
        scores = log_probs_of(np.repeat(self._first, len(ids), axis=0), ids[:, 0])
        for place in range(1, ids.shape[1]):
            logits, state = self._stepper.step(ids[:, place - 1], state)
            scores += log_probs_of(logits, ids[:, place])
        alone: FloatArray = scores[[lines[row.line] for row in rows]]
        return np.float32(-self._weight) * alone


def scorers_of(request: Request, stepper: Stepper, tokenizer: PoetTokenizer) -> list[LineScorer]:
    """The preferences of a request among candidates for a line, other than their probability."""
    scorers: list[LineScorer] = []
    if request.config.mmi_lambda and request.best_of > 1:
        scorers.append(MutualInformation(stepper, tokenizer, request.form, request.config.mmi_lambda))
    return scorers
