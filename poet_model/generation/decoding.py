"""The decoding loop: the filters mask the logits, one id per row is sampled, and the model takes one step.

It works on NumPy arrays and uses a model only through the Stepper protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .choosers import BestOfLines, Character, Drawn, EachCharacter
from .filters import FrequencyPenalty, LogitFilter, filters_of
from .guided_stepper import GuidedStepper
from .line_scorers import scorers_of
from .look_ahead import look_ahead
from .masks import VocabularyMasks
from .request import Request
from .row import Row
from .sampling import log_probs_of, sample
from .stepper import Stepper


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
    is_each, scorers = request.best_of == 1, scorers_of(request, stepper, tokenizer)
    chooser = EachCharacter(rngs) if is_each else BestOfLines(rngs, request.best_of, config, scorers)

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
