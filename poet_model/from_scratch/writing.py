"""Writes poems, character by character. It trains nothing and reads no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import check_number, check_text
from ..prosody.lines import LINE_ENDS, join_lines
from .char_lm import CharLM
from .functional import Array
from .vocabulary import EOS

MAX_LINE = 16  # characters per line; after that, only a line end is allowed


@dataclass(frozen=True)
class Poem:
    """A finished poem. `log_probs` has ln p of each character of `text`, before temperature and top-k."""

    text: str
    log_probs: tuple[float, ...]

    def __str__(self) -> str:
        return self.text.replace("。", "。\n").rstrip("\n")


def generate(
    model: CharLM,
    start: str = "",
    *,
    temperature: float = 0.8,
    top_k: int = 40,
    seed: int = 0,
    max_length: int = 128,
    frequency_penalty: float = 1.5,
) -> Poem:
    """Writes a poem that begins with `start`, which may be in either script and with any punctuation.

    The same seed gives the same poem as in the torch half: both draw one uniform number per character and
    look it up in the cumulative probabilities in float64.

    Args:
        temperature: the logits are divided by it. 0 always takes the most likely character.
        top_k: the number of most likely characters to sample from. 0 means all.
        seed: a whole number, 0 or more.
        max_length: after this many characters, the poem ends with the current line.
        frequency_penalty: nats subtracted from a character's logit for each time it is already in the poem. A
            character may follow itself once without a penalty (叠字, as in 青青).

    Raises:
        InvalidValueError: a setting is out of range, or `start` has a character that the model does not know.
    """
    check_number("temperature", temperature, 0, 100)
    check_number("seed", seed, 0, whole=True)
    check_number("top_k", top_k, 0, whole=True)
    check_number("max_length", max_length, 1, 4096, whole=True)
    check_number("frequency_penalty", frequency_penalty, 0, 100)
    check_text("start", start, 4 * max_length)  # before it is read
    vocabulary = model.vocabulary
    start = vocabulary.read_start(start)
    check_text("start", start, max_length)
    vocabulary.check_known(start)
    log_probs = model.log_probs(start)
    punctuated = all(end in vocabulary.ids for end in LINE_ENDS)
    rng, text = np.random.default_rng(seed), start
    logits, state = model.forward(np.array([[*model.prompt, *vocabulary.encode(start)]]))
    while True:
        row = logits[0, -1]
        allowed = row - frequency_penalty * _repeats(text, vocabulary.ids).astype(row.dtype)
        allowed[:EOS] = -np.inf  # <pad> <unk> <bos> <sep> never stand in a poem
        if punctuated:
            _keep_lines_whole(allowed, text, vocabulary.ids, max_length)
        elif len(text) >= max_length:
            break
        elif not text:
            allowed[EOS] = -np.inf
        token = sample(allowed, rng.random(), temperature, top_k)
        if token == EOS:
            break
        text += vocabulary.tokens[token]
        log_probs.append(float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum())))
        logits, state = model.forward(np.array([[token]]), state)
    return Poem(text, tuple(log_probs))


def sample(logits: Array, uniform: float, temperature: float, top_k: int) -> int:
    """The first id at which the cumulative probability exceeds `uniform`.

    Args:
        logits: (V,).
        uniform: a number in [0, 1).

    Raises:
        ValueError: a logit is infinite or not a number.
    """
    if not logits.max() < np.inf:  # also false if it is not a number
        raise ValueError("the model computes numbers that are not finite; use another one")
    if temperature == 0:
        return int(logits.argmax())
    ids = np.argsort(-logits, kind="stable")[: top_k or len(logits)]
    values = logits[np.sort(ids)].astype(np.float64)
    with np.errstate(over="ignore"):  # with a tiny temperature, exp(-inf) = 0 is right
        cumulative = np.cumsum(np.exp((values - values.max()) / temperature))
    chosen = int((cumulative <= uniform * cumulative[-1]).sum())
    return int(np.sort(ids)[min(chosen, len(ids) - 1)])


def _repeats(text: str, ids: dict[str, int]) -> Array:
    """How often each character is in the poem, (V,); 0 for line ends and for a last character that is new."""
    counts = np.zeros(len(ids))
    for character in text:
        counts[ids[character]] += character not in LINE_ENDS
    if text and counts[ids[text[-1]]] == 1:
        counts[ids[text[-1]]] = 0
    return counts


def _keep_lines_whole(logits: Array, text: str, ids: dict[str, int], max_length: int) -> None:
    """Sets to -inf what would give an empty line, a line over MAX_LINE, or a poem without a last `。`."""
    comma, stop = (ids[end] for end in LINE_ENDS)
    only = None
    if not text.endswith("。"):
        logits[EOS] = -np.inf
    if not text or text[-1] in LINE_ENDS:
        logits[[comma, stop]] = -np.inf
        if len(text) >= max_length and text.endswith("。"):
            only = EOS
    else:
        if len(text) >= max_length:
            logits[comma] = -np.inf  # the current line is the last
        if len(text) - 1 - max(text.rfind(end) for end in LINE_ENDS) >= MAX_LINE:
            only = stop
    if only is not None:
        kept = logits[only]
        logits[...] = -np.inf
        logits[only] = kept


def punctuate(text: str) -> str:
    """Adds `，` and `。` to a poem that was written without them, in lines of seven or five characters."""
    size = next((size for size in (5, 7) if len(text) % (4 * size) == 0), 0)
    size = size or next((size for size in (7, 5) if len(text) % size == 0), 7)
    lines = [text[start : start + size] for start in range(0, len(text), size)]
    return join_lines(lines)[:-1] + "。"
