"""The decoding loop: the filters mask the logits, one id per row is sampled, and the model takes one step.

It works on NumPy arrays and uses a model only through the Stepper protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import FloatArray
from .choosers import BestOfLines, Character, Drawn, EachCharacter
from .filters import FrequencyPenalty, LogitFilter, filters_of
from .line_scorers import scorers_of
from .masks import VocabularyMasks
from .request import Request
from .row import Row
from .sampling import largest, log_probs_of, sample
from .stepper import Stepper

LOOK_AHEAD = 24  # candidate characters that are evaluated before a rhyme word
LOOK_AHEAD_ROWS = 16  # rows that are evaluated in one batch


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
    scorers = scorers_of(request, stepper, tokenizer)
    chooser = EachCharacter(rngs) if is_each else BestOfLines(rngs, request.best_of, config, scorers)

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
        # best_of compares lines by their unfiltered logits, so those are kept
        allowed = weighed if is_each else weighed.copy()
        for rule in filters:
            rule(allowed, rows)
        if request.look_ahead and request.form_rules:
            look_ahead(stepper, state, allowed, rows, filters, config.temperature)
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


def look_ahead(
    stepper: Stepper,
    state: Any,
    logits: FloatArray,
    rows: Sequence[Row],
    filters: Sequence[LogitFilter],
    temperature: float,
) -> None:
    """Before a rhyme word or a tail, reweights each character by how likely an allowed character follows it.

    Few characters are allowed as a rhyme word or a tail, so the model has to be led to one of them. Each of
    the LOOK_AHEAD likeliest characters c gets the probability p(c), times the total probability of the
    characters that the filters allow after c. All other characters are barred.

    Args:
        stepper: the model.
        state: its state before the character, for B rows.
        logits: (B, V), changed in place for the rows in which a rhyme word or a tail comes after the next
            character.
        rows: the B rows, all of one form.
        filters: the rules to apply.
        temperature: the temperature of the sampling; 0 counts as 1 here.
    """
    if (form := rows[0].form) is None:
        return
    numbers = [i for i, row in enumerate(rows) if row.state and form.is_before_few(row.state)]
    for first in range(0, len(numbers), LOOK_AHEAD_ROWS):
        part = numbers[first : first + LOOK_AHEAD_ROWS]
        ids = largest(logits[part], LOOK_AHEAD)  # (R, C)
        values = np.take_along_axis(logits[part], ids, axis=1)
        after, _ = stepper.step(ids.ravel(), stepper.select(state, np.repeat(part, ids.shape[1])))
        allowed = np.flatnonzero(np.isfinite(values).ravel())  # indices into the R x C candidates
        tokens = form.masks.tokenizer.tokens
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
    with np.errstate(divide="ignore"):  # log(0) is -inf where no id is allowed
        share = np.log((weights * (logits > -np.inf)).sum(axis=1) / weights.sum(axis=1))
    return np.asarray(share, np.float32)
