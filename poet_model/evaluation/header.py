"""Measures the effects of header fields: on words and forms of poems, and on the loss.

Each estimate is compared with the same estimate without the field, or with the field of another poem. This
module works on a model and on poem records; it reads and writes no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from .. import script
from ..corpus import PoemRecord
from ..prosody.lines import FORMS
from . import intervals
from .intervals import Estimate
from .perplexity import score, without_header
from .progress import SILENT, TITLED_POEM, Progress

if TYPE_CHECKING:
    from ..model import PoetModel
    from ..tokenizer import PoetTokenizer

TITLES, SCORED_POEMS = 100, 400  # upper limits
POEMS_A_TITLE = 8
TITLE_FORM = "七絕"
TITLE_LENGTHS = range(2, 7)  # hanzi
NEIGHBOURS = 10  # per hanzi, nearest by the cosine of their embeddings
SHUFFLE_SEED = 0
T = TypeVar("T")


def some_titles(records: Sequence[PoemRecord], tokenizer: PoetTokenizer, most: int) -> list[str]:
    """Different titles of two to six hanzi, taken at even intervals from the records.

    Args:
        tokenizer: titles with a hanzi outside its vocabulary are skipped.
        most: the largest number of titles to return.
    """
    titles = dict.fromkeys(
        poem.title
        for poem in records
        if len(poem.title) in TITLE_LENGTHS and all(script.is_hanzi(c) and c in tokenizer for c in poem.title)
    )
    return spread(list(titles), most)


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spaced.

    The first items would not be representative: 全唐詩 begins with the oldest poems.
    """
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def neighbours(model: PoetModel, characters: Sequence[str], count: int = NEIGHBOURS) -> dict[str, set[str]]:
    """For each character, the `count` other hanzi whose embeddings have the largest cosine with its own.

    Args:
        characters: hanzi in the vocabulary of the model.
    """
    tokens, ids = model.tokenizer.tokens, model.tokenizer.ids
    hanzi = [token for token, character in enumerate(tokens) if script.is_hanzi(character)]
    rows = F.normalize(model.embedding.weight.detach()[hanzi].float(), dim=1)  # (K, H)
    result = {}
    for character in characters:
        own = hanzi.index(ids[character])
        cosines = rows @ rows[own]
        cosines[own] = -torch.inf
        nearest = cosines.topk(min(count, len(hanzi) - 1)).indices
        result[character] = {tokens[hanzi[row]] for row in nearest.tolist()}
    return result


def title_effect(
    model: PoetModel,
    titles: Sequence[str],
    *,
    poems_a_title: int = POEMS_A_TITLE,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """How many poems contain a character of the title or a near neighbour, with and without the title.

    Each poem with a title is compared with one that has the same seed and form and an empty title. Intervals
    are computed by bootstrap over titles.

    Returns:
        `titles` and `poems` (their numbers), `form`, and two entries with the estimates `with`, `without` and
        `difference`: `character` counts poems that contain a character of the title; `near` also accepts one
        of the ten nearest neighbours of such a character.
    """
    counts = {"character": np.zeros((2, len(titles))), "near": np.zeros((2, len(titles)))}
    near = neighbours(model, sorted({character for title in titles for character in title}))
    for i, title in enumerate(titles):
        accepted = {"character": set(title), "near": set(title).union(*(near[c] for c in title))}
        for row, given in enumerate((title, "")):
            poems = model.generate(
                title=given,
                form=TITLE_FORM,
                impose_form=False,
                seed=i * poems_a_title,
                num_poems=poems_a_title,
            )
            progress.advance(TITLED_POEM * poems_a_title)
            for name, characters in accepted.items():
                counts[name][row, i] = sum(not characters.isdisjoint(poem.text) for poem in poems)
    totals = np.full(len(titles), poems_a_title)
    return {
        "titles": len(titles),
        "poems": len(titles) * poems_a_title,
        "form": TITLE_FORM,
        **{
            name: {
                "with": intervals.ratio(with_title, totals),
                "without": intervals.ratio(without_title, totals),
                "difference": intervals.ratio(with_title - without_title, totals),
            }
            for name, (with_title, without_title) in counts.items()
        },
    }


def form_effect(
    named: Sequence[tuple[str, str]], free: Sequence[str]
) -> dict[str, dict[str, Estimate | None]]:
    """The share of poems that have each form: `with` its name in the header, and `without` any header.

    Args:
        named: (form of the poem, form named in the header), from generation without an imposed form.
        free: the forms of poems written with an empty header.
    """
    return {
        form: {
            "with": intervals.share([actual == form for actual, requested in named if requested == form]),
            "without": intervals.share([actual == form for actual in free]),
        }
        for form in FORMS
    }


def saved_nats(
    model: PoetModel, records: Sequence[PoemRecord], *, progress: Progress = SILENT
) -> dict[str, dict[str, Estimate | None]]:
    """The nats per token that a header field saves on real poems, compared with an empty header.

    `true` is the saving with the poem's own field and nothing else in the header; `other` is the saving with
    a different value of that field, taken from another poem (drawn with a fixed seed); `gap` is `true` minus
    `other`. Only the content of the field can explain a gap.

    Args:
        records: held-out poems.

    Returns:
        The three estimates for each of `title`, `author` and `form`, over the poems that have the field. A
        field is omitted if it has fewer than two different values.
    """
    bare = without_header(records)
    empty = score(model, bare, progress=progress)
    savings = {}
    for field in ("title", "author", "form"):
        values = [getattr(record, field) for record in records]
        rows = [row for row, value in enumerate(values) if value]
        if len({values[row] for row in rows}) < 2:
            continue
        others = other_values([values[row] for row in rows])
        true, other = (
            score(
                model,
                [replace(bare[row], **{field: value}) for row, value in zip(rows, given, strict=True)],
                progress=progress,
            )
            for given in ([values[row] for row in rows], others)
        )
        before, tokens = empty.poem_nats[rows], empty.poem_tokens[rows]
        savings[field] = {
            "true": intervals.ratio(before - true.poem_nats, tokens),
            "other": intervals.ratio(before - other.poem_nats, tokens),
            "gap": intervals.ratio(other.poem_nats - true.poem_nats, tokens),
        }
    return savings


def other_values(values: Sequence[str]) -> list[str]:
    """For each value, a different one: the next that differs from it in a shuffled order.

    Args:
        values: at least two of them differ.
    """
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(values)).tolist()
    result = [""] * len(values)
    for rank, i in enumerate(order):
        ahead = (values[order[(rank + step) % len(order)]] for step in range(1, len(order)))
        result[i] = next(value for value in ahead if value != values[i])
    return result
