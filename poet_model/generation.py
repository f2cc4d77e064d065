"""Writing poems character by character: sampling, the best of several lines, streaming.

The model is a parameter.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from . import prosody, script
from .constraints import line_end_ids
from .errors import InvalidValueError
from .novelty import MIN_ORIGINAL, NoveltyIndex, plain
from .prosody import LINE_ENDS
from .request import GenerationConfig, Request
from .tokenizer import EOS, PoetTokenizer

MAX_LINE = 16  # characters: the longest lines of 全唐诗, but for a few; then only a line end may follow
MAX_POEMS = 1024
LOOK_AHEAD, LOOK_AHEAD_ROWS = 24, 16  # characters weighed before a rhyme word; poems looked at together


@dataclass(frozen=True)
class Poem:
    """A finished poem.

    Attributes:
        text: the poem in traditional script, hanzi with `，` and `。`.
        log_probs: for each character of `text`, the natural log of the probability the model gave it, before
            temperature and top-k, given the header and all before it; characters of the start are scored too.
        seed: writes the same poem again, with the same wishes.
        title, author, requested_form: the header it was written under.
    """

    text: str
    log_probs: tuple[float, ...]
    seed: int
    title: str = ""
    author: str = ""
    requested_form: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines, each with its `，` or `。`."""
        return prosody.split_lines(self.text)

    @property
    def form(self) -> str:
        """The regular form that the poem has: `五絕 七絕 五律 七律`, or '' if it has none."""
        return prosody.form_of(self.text)

    @property
    def simplified(self) -> str:
        """The text in simplified script."""
        return script.to_simplified(self.text)

    def __str__(self) -> str:
        return self.text.replace("。", "。\n").rstrip("\n")


class LogitFilter(Protocol):
    """A rule of the poem: sets logits of what may not stand next to -inf, in place."""

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        """`logits` is (B, V); `texts` are the B poems so far."""


@functools.lru_cache(maxsize=4)  # thousands of characters, the same for every poem
def _barred_in_poems(tokenizer: PoetTokenizer) -> torch.Tensor:
    allowed = [c in LINE_ENDS or script.is_hanzi(c) for c in tokenizer.tokens]
    allowed[EOS] = True
    return ~torch.tensor(allowed)


class OnlyPoemCharacters:
    """No `<unk> <pad> <bos> <sep>`: hanzi, `，`, `。` and `<eos>` alone."""

    def __init__(self, tokenizer: PoetTokenizer, device: torch.device):
        self._barred = _barred_in_poems(tokenizer).to(device)

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        logits.masked_fill_(self._barred, -torch.inf)


class WholeLines:
    """No empty line, none over MAX_LINE characters; a poem ends after a `。`, the next one if it is long."""

    def __init__(self, tokenizer: PoetTokenizer, max_length: int):
        self._comma, self._stop = self._ends = line_end_ids(tokenizer)
        self._max_length = max_length

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        for row, text in zip(logits, texts, strict=True):
            if not text.endswith("。"):
                row[EOS] = -torch.inf
            if not text or text[-1] in LINE_ENDS:
                row[self._ends] = -torch.inf
                if len(text) >= self._max_length and text.endswith("。"):
                    self._only(row, EOS)
            else:
                line = len(text) - 1 - max(text.rfind(end) for end in LINE_ENDS)
                if len(text) >= self._max_length:
                    row[self._comma] = -torch.inf  # the line under way is the last
                if line >= MAX_LINE:
                    self._only(row, self._stop)

    @staticmethod
    def _only(row: torch.Tensor, token: int) -> None:
        row[:token] = -torch.inf
        row[token + 1 :] = -torch.inf


@functools.lru_cache(maxsize=4)
def _ids_by_plain(tokenizer: PoetTokenizer) -> dict[str, list[int]]:
    """The ids of the characters that an index writes in one way."""
    found: dict[str, list[int]] = {}
    for character in tokenizer.characters:
        found.setdefault(plain(character), []).append(tokenizer.ids[character])
    return found


class OriginalLines:
    """No line of MIN_ORIGINAL characters or more that stands, whole, in the poems of an index.

    Args:
        length: characters of a line, if that is fixed; else each character may be a line's last.
    """

    def __init__(self, tokenizer: PoetTokenizer, index: NoveltyIndex, length: int | None):
        self._ids, self._length = _ids_by_plain(tokenizer), length
        self._ends = line_end_ids(tokenizer)
        self._followers = functools.cache(index.followers)

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        for row, text in zip(logits, texts, strict=True):
            line = text[max(text.rfind(end) for end in LINE_ENDS) + 1 :]
            if len(line) + 1 < (self._length or MIN_ORIGINAL):
                continue
            if len(line) != self._length:
                known = [token for c in self._followers(line) for token in self._ids.get(c, ())]
                row[known] = -torch.inf
            if (
                not self._length
                and len(line) >= MIN_ORIGINAL
                and plain(line[-1]) in self._followers(line[:-1])
            ):
                row[self._ends] = -torch.inf  # it was begun by the start


class FrequencyPenalty:
    """Makes less likely what the poem has already, but not the same character twice running (叠字)."""

    def __init__(self, tokenizer: PoetTokenizer, penalty: float):
        self._ids, self._penalty = tokenizer.ids, penalty

    def __call__(self, logits: torch.Tensor, texts: Sequence[str]) -> None:
        if not self._penalty:
            return
        rows, ids, counts = [], [], []
        for row, text in enumerate(texts):
            found = Counter(text)
            if found[text[-1:]] == 1:
                del found[text[-1]]
            for character, count in found.items():
                if character not in LINE_ENDS:
                    rows.append(row)
                    ids.append(self._ids[character])
                    counts.append(count)
        if rows:
            places = (torch.tensor(rows, device=logits.device), torch.tensor(ids, device=logits.device))
            taken = -self._penalty * torch.tensor(counts, dtype=logits.dtype, device=logits.device)
            logits.index_put_(places, taken, accumulate=True)


def sample(logits: torch.Tensor, uniforms: np.ndarray, config: GenerationConfig) -> np.ndarray:
    """Draws one id a row, by the inverse of the cumulative probabilities in float64.

    Args:
        logits: (B, V); -inf where an id is barred.
        uniforms: (B,) numbers in [0, 1), one a row: all the chance there is.

    Returns:
        (B,) ids.

    Raises:
        InvalidValueError: in a row everything is barred. No rule is ever dropped in silence.
    """
    if config.temperature == 0:
        likeliest, ids = logits.max(dim=1)
        _check_not_barred(likeliest)
        return ids.cpu().numpy()
    top_k = min(config.top_k or logits.shape[1], logits.shape[1])
    values, ids = (part.cpu().numpy() for part in logits.topk(top_k, dim=1))  # (B, k), likeliest first
    _check_not_barred(values[:, 0])
    with np.errstate(over="ignore"):  # a tiny temperature: exp(-inf) is rightly 0
        weights = np.exp((values.astype(np.float64) - values[:, :1]) / config.temperature)
    if config.top_p < 1:
        before = np.cumsum(weights, axis=1) - weights  # what the likelier ones have together
        weights[before >= config.top_p * weights.sum(axis=1, keepdims=True)] = 0
    order = np.argsort(ids, axis=1)  # cumulate in the order of ids: equal logits may come in any
    rows = np.arange(len(ids))
    cumulative = np.cumsum(weights[rows[:, None], order], axis=1)
    chosen = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    return ids[rows, order[rows, np.minimum(chosen, top_k - 1)]]


def _check_not_barred(likeliest: torch.Tensor | np.ndarray) -> None:
    if (likeliest == -math.inf).any():
        raise InvalidValueError(
            "the wishes together leave nothing that may stand next; take another seed, or ask for less",
            chinese="這些要求合在一起，接不下去了；請換個種子，或少些要求。",
        )


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


def make_filters(tokenizer: PoetTokenizer, request: Request, device: torch.device) -> list[LogitFilter]:
    """The rules of a request; none of them cares which comes first."""
    if request.rules:
        filters: list[LogitFilter] = [request.rules]
    else:
        filters = [OnlyPoemCharacters(tokenizer, device), WholeLines(tokenizer, request.config.max_length)]
    if request.known_lines:
        length = request.rules.length if request.rules else None
        filters.append(OriginalLines(tokenizer, request.known_lines, length))
    return filters


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
