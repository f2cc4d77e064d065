"""Writing poems character by character: sampling, the best of several lines, streaming.

The model is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..errors import InvalidValueError
from ..prosody.lines import LINE_ENDS
from ..tokenizer import EOS
from .filters import FrequencyPenalty, LogitFilter, make_filters
from .options import GenerationConfig
from .poem import Poem
from .request import Request
from .sampling import sample

MAX_POEMS = 1024
LOOK_AHEAD, LOOK_AHEAD_ROWS = 24, 16  # characters weighed before a rhyme word; poems looked at together


@torch.inference_mode()
def decode(model, request: Request, num_poems: int = 1) -> Iterator[list[tuple[int, str, float]]]:
    """Writes `num_poems` poems side by side; poem i has the random numbers of seed + i.

    A poem has `best_of` rows in the batch, candidates for the line under way. When that is done, one of them
    is drawn by its probability, and all rows of the poem go on from it.

    Yields:
        First the start's characters, then for each step (or line, if there are candidates) the new ones:
        (poem, character, log-probability).
    """
    tokenizer, config, device = model.tokenizer, request.config, model.embedding.weight.device
    width, penalty = request.best_of, FrequencyPenalty(tokenizer, config.frequency_penalty)
    filters = make_filters(tokenizer, request, device)
    rngs = [np.random.default_rng(request.seed + index) for index in range(num_poems)]
    header = tokenizer.encode_header(request.title, request.author, request.form)
    prompt = torch.tensor(header + tokenizer.encode_characters(request.start), device=device)
    stepper = model.stepper()
    logits, state = stepper.read(prompt, first=len(header) - 1)
    scores = logits[:-1].float().log_softmax(dim=1)
    scores = scores.gather(1, prompt[len(header) :, None])[:, 0].tolist()
    scored_start = list(zip(request.start, scores, strict=True))
    yield [(index, character, score) for index in range(num_poems) for character, score in scored_start]
    alive = list(range(num_poems))
    num_rows = num_poems * width  # at any time those of a poem stand together
    texts, fits, line = [request.start] * num_rows, torch.zeros(num_rows), []
    logits = logits[-1:].expand(num_rows, -1)
    state = tuple(part.expand(-1, num_rows, -1).contiguous() for part in state)
    while alive:
        logits = logits.float()
        weighed = logits.clone()
        penalty(weighed, texts)
        allowed = weighed.clone()
        for rule in filters:
            rule(allowed, texts)
        if request.rules:
            look_ahead(stepper, state, allowed, texts, request, filters)
        ids = sample(allowed, np.concatenate([rngs[index].random(width) for index in alive]), config)
        chosen = torch.as_tensor(ids, device=device)
        scores = logits.log_softmax(dim=1).gather(1, chosen[:, None])[:, 0].tolist()
        characters = [tokenizer.tokens[token] for token in ids.tolist()]
        kept = [row for row, token in enumerate(ids.tolist()) if token != EOS]
        if width == 1 and kept:
            yield [(alive[row], characters[row], scores[row]) for row in kept]
        elif kept:  # in a form all rows are equally long
            line.append((characters, scores))
            fits += weighed.log_softmax(dim=1).gather(1, chosen[:, None])[:, 0].cpu()
            if characters[0] in LINE_ENDS:
                best = _draw_lines(fits, [rngs[index] for index in alive], config)
                yield [(alive[row // width], found[row], score[row]) for found, score in line for row in best]
                kept, fits, line = [row for row in best for _ in range(width)], torch.zeros(len(texts)), []
        texts = [texts[row] + characters[row] for row in kept]
        if kept != list(range(len(ids))):  # finished poems and other candidates leave the batch
            alive = [alive[row // width] for row in kept[::width]]
            state = tuple(part[:, kept] for part in state)
            chosen = chosen[kept]
        if alive:
            logits, state = stepper.step(chosen, state)


def _draw_lines(
    fits: torch.Tensor, rngs: Sequence[np.random.Generator], config: GenerationConfig
) -> list[int]:
    """For each poem the row of one of its candidates, drawn by their log-probabilities (rows,)."""
    fits = fits.view(len(rngs), -1)  # (poems, candidates)
    uniforms = np.array([rng.random() for rng in rngs])
    chosen = sample(fits, uniforms, replace(config, top_k=0, top_p=1.0))
    return (chosen + fits.shape[1] * np.arange(len(rngs))).tolist()


def look_ahead(
    stepper,
    state: tuple[torch.Tensor, torch.Tensor],
    logits: torch.Tensor,
    texts: Sequence[str],
    request: Request,
    filters: Sequence[LogitFilter],
) -> None:
    """Weighs the characters before a rhyme word or a tail by how well what may follow them fits.

    That is one of few, so the model has to be led to it: of the likeliest characters c each is drawn with
    p(c) times the probability, after c, of all that the filters allow. Changes `logits` (B, V) in place, in
    the rows that stand two characters before such a word.
    """
    rules, temperature = request.rules, request.config.temperature or 1.0
    rows = [row for row, text in enumerate(texts) if rules.is_before_few(text)]
    for first in range(0, len(rows), LOOK_AHEAD_ROWS):
        part = rows[first : first + LOOK_AHEAD_ROWS]
        values, ids = logits[part].topk(min(LOOK_AHEAD, logits.shape[1]), dim=1)  # (R, C)
        states = tuple(value[:, part].repeat_interleave(ids.shape[1], dim=1) for value in state)
        after, _ = stepper.step(ids.flatten(), states)  # (R·C, V)
        tokens = rules.tokenizer.tokens
        ahead = [texts[row] + tokens[i] for row, found in zip(part, ids.tolist(), strict=True) for i in found]
        allowed = after.float()
        gain = -allowed.logsumexp(dim=1)
        may_stand = values.flatten().isfinite()
        texts_ahead = [text for text, stands in zip(ahead, may_stand.tolist(), strict=True) if stands]
        allowed = allowed[may_stand]
        for rule in filters:
            rule(allowed, texts_ahead)
        gain[may_stand] += allowed.logsumexp(dim=1)  # log P(what may stand | c)
        weighed = values + temperature * gain.view_as(values)
        logits[part] = torch.full_like(logits[part], -torch.inf).scatter_(1, ids, weighed)


def write(model, request: Request, num_poems: int = 1) -> list[Poem]:
    """The finished poems of a request."""
    if isinstance(num_poems, bool) or not isinstance(num_poems, int) or not 1 <= num_poems <= MAX_POEMS:
        raise InvalidValueError(f"num_poems must be a whole number from 1 to {MAX_POEMS}, got {num_poems!r}")
    written: list[list[tuple[str, float]]] = [[] for _ in range(num_poems)]
    for news in decode(model, request, num_poems):
        for index, character, score in news:
            written[index].append((character, score))
    return [_poem(request, index, pairs) for index, pairs in enumerate(written)]


def stream(model, request: Request) -> Iterator[str]:
    """One poem in pieces, as it is written: first the start, if there is one, then a character at a time.

    The generator's return value is the finished Poem.
    """
    pairs = []
    for news in decode(model, request):
        pairs += [(character, score) for _, character, score in news]
        if news:
            yield "".join(character for _, character, _ in news)
    return _poem(request, 0, pairs)


def _poem(request: Request, index: int, pairs: list[tuple[str, float]]) -> Poem:
    text = "".join(character for character, _ in pairs)
    scores = tuple(score for _, score in pairs)
    return Poem(text, scores, request.seed + index, request.title, request.author, request.form)
