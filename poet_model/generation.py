"""Writing poems character by character: sampling, whole lines, streaming. The model is a parameter."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from . import prosody, script
from .constraints import RegularForm, fit_start, heads_of
from .errors import CheckpointError, InvalidValueError
from .files import read_json, write_text
from .prosody import LINE_ENDS
from .tokenizer import EOS, PoetTokenizer

GENERATION_CONFIG_NAME = "generation_config.json"
MAX_LINE = 16  # characters: the longest lines of 全唐诗, but for a few; then only a line end may follow
MAX_HEADER = 40  # characters of a title or an author, as in training
MAX_POEMS = 1024
LOOK_AHEAD, LOOK_AHEAD_ROWS = 24, 16  # characters weighed before a rhyme word; poems looked at together
# what transformers may note in a generation_config.json; our ids are those of the tokenizer
_IDS = [f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")]
_OF_TRANSFORMERS = ("transformers_version", "_from_model_config", "use_cache", *_IDS)


@dataclass(frozen=True)
class GenerationConfig:
    """How characters are chosen.

    Args:
        temperature: logits are divided by it; 0 takes the likeliest character every time.
        top_k: only the k likeliest characters are drawn from; 0 means all.
        top_p: only the likeliest characters that together have at least this probability are drawn from.
        max_length: after this many characters the poem ends with the line it is in.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    max_length: int = 128

    def __post_init__(self):
        for name, low, high, kind in (
            ("temperature", 0, 100, (int, float)),
            ("top_k", 0, math.inf, (int,)),
            ("top_p", 0, 1, (int, float)),
            ("max_length", 1, 4096, (int,)),
        ):
            value = getattr(self, name)
            right_type = isinstance(value, kind) and not isinstance(value, bool)
            if not right_type or not low <= value <= high or (name == "top_p" and value == 0):
                what = "a whole number" if kind == (int,) else "a number"
                least = "above 0" if name == "top_p" else f"from {low}"
                bound = "upwards" if high == math.inf else f"to {high}"
                raise InvalidValueError(f"{name} must be {what} {least} {bound}, got {value!r}")

    def save(self, folder: Path, more: dict | None = None) -> None:
        """Writes `generation_config.json` into `folder`, with `more` keys for other libraries."""
        text = json.dumps((more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / GENERATION_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> GenerationConfig:
        """Reads `generation_config.json` from `folder`; without that file the defaults hold."""
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not os.path.lexists(path):
            return cls()
        record = read_json(path, dict)
        for name in _OF_TRANSFORMERS:
            record.pop(name, None)
        if record.pop("do_sample", True) is not True:
            raise CheckpointError(
                f"{path}: do_sample must be true here; for the likeliest poem take temperature 0"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(f"{path}: unknown settings {unknown[:5]}; known are {sorted(known)}")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error


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
        if missing := [c for c in LINE_ENDS if c not in tokenizer]:
            raise InvalidValueError(
                f"the vocabulary has no {' and no '.join(missing)}, so lines cannot end; train with both"
            )
        self._comma, self._stop = self._ends = [tokenizer.ids[c] for c in LINE_ENDS]
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


def sample(logits: torch.Tensor, uniforms: np.ndarray, config: GenerationConfig) -> np.ndarray:
    """Draws one id a row, by the inverse of the cumulative probabilities in float64.

    Args:
        logits: (B, V); -inf where an id is barred; each row has at least one finite value.
        uniforms: (B,) numbers in [0, 1), one a row: all the chance there is.

    Returns:
        (B,) ids.
    """
    if config.temperature == 0:
        return logits.argmax(dim=1).cpu().numpy()
    top_k = min(config.top_k or logits.shape[1], logits.shape[1])
    values, ids = (part.cpu().numpy() for part in logits.topk(top_k, dim=1))  # (B, k), likeliest first
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


_REPEATED_ENDS = re.compile(f"[{LINE_ENDS}]{{2,}}")


def _one_end(ends: re.Match) -> str:
    return "。" if "。" in ends[0] else "，"


@dataclass(frozen=True)
class Request:
    """What is wished for, checked and brought to the model's script."""

    start: str
    form: str
    author: str
    title: str
    config: GenerationConfig
    seed: int
    rules: RegularForm | None = None

    @classmethod
    def make(
        cls,
        tokenizer: PoetTokenizer,
        defaults: GenerationConfig,
        start: str = "",
        *,
        form: str = "",
        author: str = "",
        title: str = "",
        tones: bool = False,
        rhyme: bool | str = False,
        acrostic: str = "",
        impose_form: bool = True,
        seed: int | None = None,
        **overrides,
    ) -> Request:
        """Checks a caller's wishes.

        Raises:
            UnknownCharacterError: a character of the start is not in the vocabulary.
            InvalidValueError: anything else is not possible.
        """
        texts = {"start": start, "form": form, "author": author, "title": title, "acrostic": acrostic}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise InvalidValueError(f"{name} must be text, got {value!r}")
        for name, value in (("tones", tones), ("impose_form", impose_form)):
            if not isinstance(value, bool):
                raise InvalidValueError(f"{name} must be True or False, got {value!r}")
        if not isinstance(rhyme, (bool, str)):
            raise InvalidValueError(f"rhyme must be True or a group of 平水韻 such as 東, got {rhyme!r}")
        given = [name for name, value in overrides.items() if value is not None]
        known = [field.name for field in fields(GenerationConfig)]
        if unknown := [name for name in given if name not in known]:
            raise InvalidValueError(
                f"there is no setting {unknown[0]!r} for writing a poem; known are {', '.join(known)}"
            )
        config = replace(defaults, **{name: overrides[name] for name in given})
        if seed is None:
            seed = secrets.randbelow(2**31)
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
            raise InvalidValueError(f"seed must be a whole number from 0 to 2^63-1, got {seed!r}")
        if len(start) <= 4 * config.max_length:  # else it is too long whatever is folded away
            start = _REPEATED_ENDS.sub(_one_end, tokenizer.normalize(start)).lstrip(LINE_ENDS)
        if len(start) > config.max_length:
            raise InvalidValueError(
                f"the start has {len(start)} characters; at most {config.max_length} fit: shorten it, or set "
                "max_length higher"
            )
        tokenizer.check_known(start)
        form = tokenizer.normalize(form)
        if form and form not in prosody.FORMS:
            raise InvalidValueError(
                f"form must be one of {' '.join(prosody.FORMS)} or empty, got {form[:20]!r}"
            )
        for name, value in (("author", author), ("title", title)):
            if len(value) > MAX_HEADER:
                raise InvalidValueError(
                    f"the {name} has {len(value)} characters; at most {MAX_HEADER} fit: shorten it"
                )
        form, heads = heads_of(tokenizer, form, acrostic, start)
        if not form and (tones or rhyme):
            raise InvalidValueError(
                f"tones and rhyme need a form; give form, one of {' '.join(prosody.FORMS)}"
            )
        rules = None
        if form and (impose_form or tones or rhyme or heads):
            rules = RegularForm(tokenizer, form, tones=tones, rhyme=rhyme, heads=heads, start=start)
            start = fit_start(rules, start)
        header = (tokenizer.normalize(text) for text in (author, title))
        return cls(start, form, *header, config, int(seed), rules)


@torch.inference_mode()
def decode(model, request: Request, num_poems: int = 1) -> Iterator[list[tuple[int, str, float]]]:
    """Writes `num_poems` poems side by side; poem i has the random numbers of seed + i.

    Yields:
        First the start's characters, then for each step the new ones: (poem, character, log-probability).
    """
    tokenizer, config, device = model.tokenizer, request.config, model.embedding.weight.device
    filters: list[LogitFilter] = [
        OnlyPoemCharacters(tokenizer, device),
        request.rules or WholeLines(tokenizer, config.max_length),
    ]
    rngs = [np.random.default_rng(request.seed + index) for index in range(num_poems)]
    header = tokenizer.encode_header(request.title, request.author, request.form)
    prompt = torch.tensor(header + tokenizer.encode_characters(request.start), device=device)
    stepper = model.stepper()
    logits, (hidden, cell) = stepper.read(prompt, first=len(header) - 1)
    scores = logits[:-1].float().log_softmax(dim=1)
    scores = scores.gather(1, prompt[len(header) :, None])[:, 0].tolist()
    scored_start = list(zip(request.start, scores, strict=True))
    yield [(index, character, score) for index in range(num_poems) for character, score in scored_start]
    alive = list(range(num_poems))
    texts = [request.start] * num_poems
    logits = logits[-1:].float().expand(num_poems, -1)
    state = tuple(part.expand(-1, num_poems, -1).contiguous() for part in (hidden, cell))
    while alive:
        allowed = logits.clone()
        for rule in filters:
            rule(allowed, [texts[index] for index in alive])
        if request.rules:
            look_ahead(stepper, state, allowed, [texts[index] for index in alive], request)
        ids = sample(allowed, np.array([rngs[index].random() for index in alive]), config)
        chosen = torch.as_tensor(ids, device=device)
        scores = logits.log_softmax(dim=1).gather(1, chosen[:, None])[:, 0].tolist()
        news, kept = [], []
        for row, (index, token) in enumerate(zip(alive, ids.tolist(), strict=True)):
            if token != EOS:
                character = tokenizer.tokens[token]
                texts[index] += character
                news.append((index, character, scores[row]))
                kept.append(row)
        if news:
            yield news
        if len(kept) < len(alive):  # finished poems leave the batch
            alive = [alive[row] for row in kept]
            state = tuple(part[:, kept] for part in state)
            chosen = chosen[kept]
        if alive:
            logits, state = stepper.step(chosen, state)
            logits = logits.float()


def look_ahead(stepper, state, logits: torch.Tensor, texts: Sequence[str], request: Request) -> None:
    """Weighs the characters before a rhyme word by how well the words that may follow them fit.

    A rhyme word is one of few, so the model has to be led to it: of the likeliest characters c each is drawn
    with p(c) times the probability, after c, of all words that the form allows. Changes `logits` (B, V) in
    place, in the rows that stand two characters before a rhyme word.
    """
    rules, temperature = request.rules, request.config.temperature or 1.0
    rows = [row for row, text in enumerate(texts) if rules.is_before_rhyme(text)]
    for first in range(0, len(rows), LOOK_AHEAD_ROWS):
        part = rows[first : first + LOOK_AHEAD_ROWS]
        values, ids = logits[part].topk(min(LOOK_AHEAD, logits.shape[1]), dim=1)  # (R, C)
        states = tuple(value[:, part].repeat_interleave(ids.shape[1], dim=1) for value in state)
        after, _ = stepper.step(ids.flatten(), states)  # (R·C, V)
        tokens = rules.tokenizer.tokens
        ahead = [texts[row] + tokens[i] for row, found in zip(part, ids.tolist(), strict=True) for i in found]
        allowed = after.float()
        total = allowed.logsumexp(dim=1)
        for row, text in zip(allowed, ahead, strict=True):
            if rules.state_of(text) is None:  # a character that was barred itself
                row.fill_(-torch.inf)
            else:
                rules(row[None], [text])
        gain = (allowed.logsumexp(dim=1) - total).view_as(values)  # log P(a word that may stand | c)
        weighed = torch.full_like(logits[part], -torch.inf).scatter_(1, ids, values + temperature * gain)
        logits[part] = weighed


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
