"""Poems from a file, and as batches of ids. It knows a model only by its vocabulary and its prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .char_lm import CharLM
from .functional import Array
from .vocabulary import EOS, LINE_ENDS, PAD

TEXT_KEYS = ("text", "poem", "content", "paragraphs")  # where a JSON record may keep its poem
FEW_POEMS = 100
_LINE_END_OF = str.maketrans("？！；?!;,.", "。。。。。。，。")


def read_poems(path: str | Path, punctuation: bool = True) -> list[str]:
    """Reads the poems of a UTF-8 file.

    Args:
        path: a `.json` or `.jsonl` file of records with `paragraphs` or `text`, or a text file with one poem
            per line, optionally after a title and a colon.
        punctuation: whether to keep `，` and `。`. Other marks that end a line are first replaced by these.

    Raises:
        ValueError: the file cannot be read, is not UTF-8, is not valid JSON, or holds no poem.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            records = json.loads(text)
        elif path.suffix == ".jsonl":
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            records = [_without_title(line) for line in text.splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; give a file of poems") from error
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    poems = [_poem_of(record) for record in (records if isinstance(records, list) else [])]
    poems = [poem for poem in poems if poem]
    if not poems:
        raise ValueError(
            f"{path} has no poems: write one poem per line, or JSON records with paragraphs or text"
        )
    return poems if punctuation else [poem.translate(dict.fromkeys(map(ord, LINE_ENDS))) for poem in poems]


def _without_title(line: str) -> str:
    """`題：詩` without its title. If a line end stands before the colon, only the colon itself is removed."""
    title, _, rest = line.replace(":", "：").partition("：")
    return rest if rest and not any(end in title for end in LINE_ENDS) else title + rest


def _poem_of(record: object) -> str:
    """The poem of a JSON record or of a line, without white space; "" if there is none."""
    if isinstance(record, dict):
        record = next((record[key] for key in TEXT_KEYS if key in record), "")
    text = "".join(record) if isinstance(record, list) and all(isinstance(x, str) for x in record) else record
    return "".join(text.translate(_LINE_END_OF).split()) if isinstance(text, str) else ""


def split(poems: list[str]) -> tuple[list[str], list[str]]:
    """Poems to train on, and every twentieth to validate on. Fewer than 100 poems serve for both."""
    if len(poems) < FEW_POEMS:
        return poems, poems
    return [poem for index, poem in enumerate(poems) if index % 20], poems[::20]


def fingerprint(poems: list[str]) -> str:
    """A hash that changes whenever the poems do."""
    return hashlib.sha256("\n".join(poems).encode("utf-8", "surrogatepass")).hexdigest()


def encode(model: CharLM, poems: Sequence[str], length: int) -> list[list[int]]:
    """Each poem as ids: the prompt, at most `length` characters, and `<eos>` unless the poem was cut."""
    rows = []
    for poem in poems:
        ids = model.vocabulary.encode(poem[:length])
        rows.append([*model.prompt, *ids, *([EOS] if len(poem) <= length else [])])
    return rows


def batches(
    rows: Sequence[list[int]], batch_size: int, prompt: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[Array, Array, Array]]:
    """Yields ids, targets and mask, each (B, T). Rows are padded at their end; the prompt is not scored.

    Args:
        rows: one list of ids per poem, from `encode`.
        prompt: the number of ids that stand before each poem.
        rng: shuffles the rows; None keeps their order.
    """
    order = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
    for start in range(0, len(order), batch_size):
        group = [rows[index] for index in order[start : start + batch_size]]
        steps = max(map(len, group)) - 1
        ids, targets = np.full((2, len(group), steps), PAD)
        mask = np.zeros((len(group), steps), np.float32)
        for row, poem in enumerate(group):
            ids[row, : len(poem) - 1], targets[row, : len(poem) - 1] = poem[:-1], poem[1:]
            mask[row, prompt - 1 : len(poem) - 1] = 1
        yield ids, targets, mask
