"""What a candidate for a line is worth, beside its probability. `best_of` draws lines by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Protocol

import numpy as np

from ..arrays import FloatArray
from ..prosody.lines import LINE_ENDS
from ..tokenizer import UNK, PoetTokenizer
from .parallel import ParallelLines
from .request import Request
from .row import Row
from .sampling import log_probs_of
from .stepper import Stepper


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

    A line's score is -λ log p(line). With its log-probability in the poem, that is log p(line | poem) - λ log
    p(line), equation 9 of Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation
    Models". p(line) is the probability that the model gives the line in its place of a poem of the same form
    of which nothing is known: no title, no author, and `<unk>` for every character before the line. Without
    these, every line would be judged as a first one, and words that never begin a poem would seem to fit.

    Args:
        stepper: the model.
        tokenizer: its tokenizer.
        form: the form of the poem.
        weight: λ.
    """

    def __init__(self, stepper: Stepper, tokenizer: PoetTokenizer, form: str, weight: float):
        self._stepper, self._tokenizer, self._weight = stepper, tokenizer, weight
        self._header = tokenizer.encode_header("", "", form)

    def __call__(self, rows: Sequence[Row]) -> FloatArray:
        lines = {line: number for number, line in enumerate(dict.fromkeys(row.line for row in rows))}
        ids = np.array([self._tokenizer.encode_characters(line) for line in lines])  # (N, L)
        before = self._unknown(len(rows[0].ends), ids.shape[1])
        logits, state = self._stepper.read(before, first=len(before) - 1)
        scores = log_probs_of(np.repeat(logits, len(ids), axis=0), ids[:, 0])
        state = self._stepper.select(state, [0] * len(ids))
        for place in range(1, ids.shape[1]):
            logits, state = self._stepper.step(ids[:, place - 1], state)
            scores += log_probs_of(logits, ids[:, place])
        unconditional: FloatArray = scores[[lines[row.line] for row in rows]]
        return np.float32(-self._weight) * unconditional

    def _unknown(self, lines: int, length: int) -> list[int]:
        """The ids of a poem of the form up to a line, with `<unk>` for every character."""
        ends = self._tokenizer.encode_characters(LINE_ENDS)
        unknown = [[*[UNK] * length, ends[line % 2]] for line in range(lines)]
        return [*self._header, *chain.from_iterable(unknown)]


def scorers_of(request: Request, stepper: Stepper, tokenizer: PoetTokenizer) -> list[LineScorer]:
    """The preferences of a request among candidates for a line, other than their probability."""
    scorers: list[LineScorer] = []
    if request.config.mmi_lambda and request.best_of > 1:
        scorers.append(MutualInformation(stepper, tokenizer, request.form, request.config.mmi_lambda))
    if request.parallel:
        scorers.append(ParallelLines())
    return scorers
