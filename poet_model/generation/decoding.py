"""The decoding loop: the filters mask the logits, one id per row is sampled, and the model takes one step.

It works on NumPy arrays and uses a model only through the Stepper protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..tokenizer import EOS
from .filters import FrequencyPenalty, LogitFilter, filters_of
from .guided_stepper import GuidedStepper
from .look_ahead import look_ahead
from .masks import VocabularyMasks
from .options import GenerationConfig
from .request import Request
from .row import Row
from .sampling import log_probs_of, sample
from .stepper import Stepper


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

    When the line is complete, one candidate is sampled by the probability of its line, at the temperature of
    the request and after the frequency penalty, and all rows of the poem continue from it. A form must be
    imposed, so that all rows have the same length. The rows of a poem are adjacent.
    """

    def __init__(self, rngs: Sequence[np.random.Generator], width: int, config: GenerationConfig):
        self.width: int = width
        self._rngs = rngs
        self._config = replace(config, top_k=0, top_p=1.0)
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
        """Samples one candidate line per poem by log-probability, and returns the indices of their rows."""
        scores: FloatArray = np.zeros(len(rows), np.float32)
        for step in self._line:
            scores += step.weighed_log_probs
        scores = scores.reshape(-1, self.width)  # (poems, candidates)
        uniforms = np.array([self._rngs[row.poem].random() for row in rows[:: self.width]])
        return list(map(int, sample(scores, uniforms, self._config) + self.width * np.arange(len(scores))))


def decode(
    stepper: Stepper,
    masks: VocabularyMasks,
    request: Request,
    num_poems: int = 1,
    filters: Sequence[LogitFilter] | None = None,
) -> Iterator[list[Character]]:
    """Writes `num_poems` poems in one batch. Poem i uses the random numbers of seed + i.

    Args:
        stepper: the model.
        masks: the masks of its vocabulary.
        request: the options of the poems.
        num_poems: how many poems to write.
        filters: the rules to apply; by default those of the request.

    Yields:
        First the characters of the start, then the new characters of each step or line when they are final.
    """
    tokenizer, config = masks.tokenizer, request.config
    penalty = FrequencyPenalty(masks, config.frequency_penalty)
    filters = filters_of(request, masks) if filters is None else filters
    rngs = [np.random.default_rng(request.seed + poem) for poem in range(num_poems)]
    is_each = request.best_of == 1
    chooser = EachCharacter(rngs) if is_each else BestOfLines(rngs, request.best_of, config)

    header = tokenizer.encode_header(request.title, request.author, request.form)
    start = tokenizer.encode_characters(request.start)
    guided = GuidedStepper(stepper, tokenizer, request) if request.is_guided else None
    stepper = guided or stepper
    logits, state = stepper.read(header + start, first=len(header) - 1)
    scores = log_probs_of(logits[:-1], np.array(start, dtype=np.int64)).tolist()
    yield [Character(p, *pair) for p in range(num_poems) for pair in zip(request.start, scores, strict=True)]

    begun = [Row.begin(request.form_of(rng), request.start).of_poem(poem) for poem, rng in enumerate(rngs)]
    rows = [row for row in begun for _ in range(chooser.width)]
    logits, state = np.repeat(logits[-1:], len(rows), axis=0), stepper.select(state, [0] * len(rows))
    while rows:
        weighed = logits.copy()
        if guided:
            guided.guide(weighed, state)
        penalty(weighed, rows)
        # best_of compares lines by their unfiltered logits, so those are kept
        allowed = weighed if is_each else weighed.copy()
        for rule in filters:
            rule(allowed, rows)
        if request.look_ahead and request.form_rules:
            look_ahead(stepper, state, allowed, rows, filters, config.temperature, tokenizer.tokens)
        ids = sample(allowed, chooser.uniforms(rows), config)
        characters = [tokenizer.tokens[token] for token in ids.tolist()]
        log_probs = log_probs_of(logits, ids)
        weighed_log_probs = log_probs if is_each else log_probs_of(weighed, ids)
        committed, kept = chooser.commit(rows, Drawn(ids, characters, log_probs, weighed_log_probs))
        if committed:
            yield committed
        if kept != list(range(len(rows))):  # finished poems and rejected candidates leave the batch
            state = stepper.select(state, kept)
        rows = [rows[i].after(characters[i]) for i in kept]
        if rows:
            logits, state = stepper.step(ids[kept], state)
