"""Decides which sampled characters are final: each at once, or whole lines, one of several candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..tokenizer import EOS
from .line_scorers import LineScorer
from .options import NEUTRAL, GenerationConfig
from .row import Row
from .sampling import sample


class Character(NamedTuple):
    """A character of a poem.

    Attributes:
        poem: the number of the poem in the batch, from 0.
        character: the character.
        log_prob: its log-probability under the model, in nats.
    """

    poem: int
    character: str
    log_prob: float


class Drawn(NamedTuple):
    """The characters that were sampled in one step, one for each of the B rows.

    Attributes:
        ids: (B,) their ids.
        characters: the characters themselves.
        log_probs: (B,) their log-probabilities under the model alone.
        weighed_log_probs: (B,) their log-probabilities after the frequency penalty.
    """

    ids: IntArray
    characters: list[str]
    log_probs: FloatArray
    weighed_log_probs: FloatArray


class EachCharacter:
    """Commits each character as soon as it is sampled. A poem has one row."""

    width = 1

    def __init__(self, rngs: Sequence[np.random.Generator]):
        self._rngs = rngs

    def uniforms(self, rows: Sequence[Row]) -> DoubleArray:
        """Random numbers (B,) in [0, 1), each from the generator of the row's poem."""
        return np.array([self._rngs[row.poem].random() for row in rows])

    def commit(self, rows: Sequence[Row], drawn: Drawn) -> tuple[list[Character], list[int]]:
        """Decides which of the sampled characters are final.

        Args:
            rows: the B rows before the step.
            drawn: the characters that the step sampled for them.

        Returns:
            The new characters that are final, and the indices of the rows that continue.
        """
        kept = [number for number, token in enumerate(drawn.ids.tolist()) if token != EOS]
        characters = [Character(rows[i].poem, drawn.characters[i], float(drawn.log_probs[i])) for i in kept]
        return characters, kept


class BestOfLines:
    """Commits whole lines. A poem has `width` rows, which are candidates for the current line.

    When the line is complete, one candidate is sampled by its score, at the temperature of the request, and
    all rows of the poem continue from it. The score is the log-probability of the line after the frequency
    penalty, plus what the scorers give. A form must be imposed, so that all rows have the same length. The
    rows of a poem are adjacent.
    """

    def __init__(
        self,
        rngs: Sequence[np.random.Generator],
        width: int,
        config: GenerationConfig,
        scorers: Sequence[LineScorer] = (),
    ):
        self.width: int = width
        self._rngs = rngs
        self._config = GenerationConfig(temperature=config.temperature, **NEUTRAL)
        self._scorers = scorers
        self._line: list[Drawn] = []

    def uniforms(self, rows: Sequence[Row]) -> DoubleArray:
        """Random numbers (B,) in [0, 1): `width` numbers from the generator of each poem."""
        return np.concatenate([self._rngs[row.poem].random(self.width) for row in rows[:: self.width]])

    def commit(self, rows: Sequence[Row], drawn: Drawn) -> tuple[list[Character], list[int]]:
        """Decides which characters are final; see EachCharacter.commit."""
        if drawn.ids[0] == EOS:
            return [], []
        self._line.append(drawn)
        if (form := rows[0].form) and rows[0].place < form.length:
            return [], list(range(len(rows)))
        best = self._draw(rows)
        characters = [
            Character(rows[i].poem, step.characters[i], float(step.log_probs[i]))
            for step in self._line
            for i in best
        ]
        self._line = []
        return characters, [i for i in best for _ in range(self.width)]

    def _draw(self, rows: Sequence[Row]) -> list[int]:
        """Samples one candidate line per poem by its score, and returns the indices of their rows."""
        scores: FloatArray = np.zeros(len(rows), np.float32)
        for step in self._line:
            scores += step.weighed_log_probs
        for scorer in self._scorers:
            scores += scorer(rows)
        scores = scores.reshape(-1, self.width)  # (poems, candidates)
        uniforms = np.array([self._rngs[row.poem].random() for row in rows[:: self.width]])
        return list(map(int, sample(scores, uniforms, self._config) + self.width * np.arange(len(scores))))
