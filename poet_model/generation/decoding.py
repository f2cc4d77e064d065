"""The loop that writes: filters bar what may not stand, one id a row is drawn, the model steps on.

It works on NumPy arrays and knows of a model only the Stepper protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..tokenizer import EOS
from .filters import FrequencyPenalty, LogitFilter, filters_of
from .masks import VocabularyMasks
from .options import GenerationConfig
from .request import Request
from .row import Row
from .sampling import largest, log_probs_of, sample

LOOK_AHEAD, LOOK_AHEAD_ROWS = 24, 16  # characters weighed before a rhyme word; rows looked at together


class Stepper(Protocol):
    """A model one character at a time. Logits are float32 arrays; a state is whatever the model likes."""

    def read(self, ids: Sequence[int], first: int = 0) -> tuple[np.ndarray, Any]:
        """Ids (T,) from a stream's beginning -> logits (T - first, V) behind each from place `first` on.

        The second value is the state after them, of one row.
        """

    def step(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Ids (B,) and the state before them -> logits (B, V) of what comes next, and the state after."""

    def select(self, state: Any, rows: Sequence[int]) -> Any:
        """The state of some rows, which may be left out, repeated or in another order."""


class Character(NamedTuple):
    """A character of a poem: the number of the poem, the character, its log-probability."""

    poem: int
    character: str
    log_prob: float


class Drawn(NamedTuple):
    """What one step drew, one entry for each of the B rows.

    Attributes:
        ids, characters: what was drawn.
        log_probs: (B,) by the model alone.
        weighed_log_probs: (B,) with the frequency penalty.
    """

    ids: np.ndarray
    characters: list[str]
    log_probs: np.ndarray
    weighed_log_probs: np.ndarray


class EachCharacter:
    """Commits each character as it is drawn: one row a poem."""

    width = 1

    def __init__(self, rngs: Sequence[np.random.Generator]):
        self._rngs = rngs

    def uniforms(self, rows: Sequence[Row]) -> np.ndarray:
        """Random numbers (B,), each of its poem's own generator."""
        return np.array([self._rngs[row.poem].random() for row in rows])

    def commit(self, rows: Sequence[Row], drawn: Drawn) -> tuple[list[Character], list[int]]:
        """The characters that are certain now, and the numbers of the rows that go on."""
        kept = [number for number, token in enumerate(drawn.ids.tolist()) if token != EOS]
        news = [Character(rows[i].poem, drawn.characters[i], float(drawn.log_probs[i])) for i in kept]
        return news, kept


class BestOfLines:
    """Commits whole lines: a poem has `width` rows, candidates for the line under way.

    When that line is done, one of them is drawn by its probability, and all rows of the poem go on from it.
    A form is imposed, so all rows are equally long, and those of a poem stand together.
    """

    def __init__(self, rngs: Sequence[np.random.Generator], width: int, config: GenerationConfig):
        self.width, self._rngs = width, rngs
        self._config = replace(config, top_k=0, top_p=1.0)
        self._line: list[Drawn] = []

    def uniforms(self, rows: Sequence[Row]) -> np.ndarray:
        """As EachCharacter.uniforms, `width` numbers a poem."""
        return np.concatenate([self._rngs[row.poem].random(self.width) for row in rows[:: self.width]])

    def commit(self, rows: Sequence[Row], drawn: Drawn) -> tuple[list[Character], list[int]]:
        """As EachCharacter.commit."""
        if drawn.ids[0] == EOS:
            return [], []
        self._line.append(drawn)
        if rows[0].place < rows[0].form.length:
            return [], list(range(len(rows)))
        best = self._draw(rows)
        news = [
            Character(rows[i].poem, step.characters[i], float(step.log_probs[i]))
            for step in self._line
            for i in best
        ]
        self._line = []
        return news, [i for i in best for _ in range(self.width)]

    def _draw(self, rows: Sequence[Row]) -> list[int]:
        """For each poem the number of one of its rows, drawn by the log-probabilities of their lines."""
        fits = np.zeros(len(rows), np.float32)
        for step in self._line:
            fits += step.weighed_log_probs
        fits = fits.reshape(-1, self.width)  # (poems, candidates)
        uniforms = np.array([self._rngs[row.poem].random() for row in rows[:: self.width]])
        return (sample(fits, uniforms, self._config) + self.width * np.arange(len(fits))).tolist()


def decode(
    stepper: Stepper,
    masks: VocabularyMasks,
    request: Request,
    num_poems: int = 1,
    filters: Sequence[LogitFilter] | None = None,
) -> Iterator[list[Character]]:
    """Writes `num_poems` poems side by side; poem i has the random numbers of seed + i.

    Args:
        filters: the rules to keep; by default those of the request.

    Yields:
        First the start's characters, then, as they become certain, the new ones of each step or line.
    """
    tokenizer, config = masks.tokenizer, request.config
    penalty = FrequencyPenalty(masks, config.frequency_penalty)
    filters = filters_of(request, masks) if filters is None else filters
    rngs = [np.random.default_rng(request.seed + poem) for poem in range(num_poems)]
    is_each = request.best_of == 1
    chooser = EachCharacter(rngs) if is_each else BestOfLines(rngs, request.best_of, config)

    header = tokenizer.encode_header(request.title, request.author, request.form)
    start = tokenizer.encode_characters(request.start)
    logits, state = stepper.read(header + start, first=len(header) - 1)
    scores = log_probs_of(logits[:-1], np.array(start, dtype=np.int64)).tolist()
    yield [Character(p, *pair) for p in range(num_poems) for pair in zip(request.start, scores, strict=True)]

    row = Row.begin(request.form_rules, request.start)
    rows = [row.of_poem(poem) for poem in range(num_poems) for _ in range(chooser.width)]
    logits, state = np.repeat(logits[-1:], len(rows), axis=0), stepper.select(state, [0] * len(rows))
    while rows:
        weighed = logits.copy()
        penalty(weighed, rows)
        allowed = weighed if is_each else weighed.copy()  # candidates are compared by what they weigh
        for rule in filters:
            rule(allowed, rows)
        if request.look_ahead and request.form_rules:
            look_ahead(stepper, state, allowed, rows, filters, config.temperature)
        ids = sample(allowed, chooser.uniforms(rows), config)
        characters = [tokenizer.tokens[token] for token in ids.tolist()]
        log_probs = log_probs_of(logits, ids)
        weighed_log_probs = log_probs if is_each else log_probs_of(weighed, ids)
        news, kept = chooser.commit(rows, Drawn(ids, characters, log_probs, weighed_log_probs))
        if news:
            yield news
        if kept != list(range(len(rows))):  # finished poems and other candidates leave the batch
            state = stepper.select(state, kept)
        rows = [rows[i].after(characters[i]) for i in kept]
        if rows:
            logits, state = stepper.step(ids[kept], state)


def look_ahead(
    stepper: Stepper,
    state: Any,
    logits: np.ndarray,
    rows: Sequence[Row],
    filters: Sequence[LogitFilter],
    temperature: float,
) -> None:
    """Weighs the characters before a rhyme word or a tail by how well what may follow them fits.

    That is one of few, so the model has to be led to it: of the likeliest characters c each is drawn with
    p(c) times the probability, after c, of all that the filters allow. Changes logits (B, V) in place, in
    the rows that stand two characters before such a word.
    """
    numbers = [number for number, row in enumerate(rows) if row.form.is_before_few(row.state)]
    for first in range(0, len(numbers), LOOK_AHEAD_ROWS):
        part = numbers[first : first + LOOK_AHEAD_ROWS]
        ids = largest(logits[part], LOOK_AHEAD)  # (R, C)
        values = np.take_along_axis(logits[part], ids, axis=1)
        after, _ = stepper.step(ids.ravel(), stepper.select(state, np.repeat(part, ids.shape[1])))
        may_stand = np.flatnonzero(np.isfinite(values).ravel())  # of the R x C
        tokens = rows[0].form.masks.tokenizer.tokens
        ahead = [rows[part[i // ids.shape[1]]].after(tokens[ids.flat[i]]) for i in may_stand]
        gain = np.full(ids.size, -np.inf, np.float32)
        gain[may_stand] = _log_share_allowed(after[may_stand], ahead, filters)
        logits[part] = -np.inf
        weighed = values + np.float32(temperature or 1.0) * gain.reshape(values.shape)
        logits[np.array(part)[:, None], ids] = weighed


def _log_share_allowed(logits: np.ndarray, rows: Sequence[Row], filters: Sequence[LogitFilter]) -> np.ndarray:
    """Of logits (N, V), changed in place: the log of the probability (N,) of all that the filters allow."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    for rule in filters:
        rule(logits, rows)
    with np.errstate(divide="ignore"):  # where nothing is allowed it is -inf
        return np.log((weights * (logits > -np.inf)).sum(axis=1) / weights.sum(axis=1))
