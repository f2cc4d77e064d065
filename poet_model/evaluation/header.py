"""Does the header do anything? Title characters in the poems, forms kept, nats that true fields save.

Each estimate stands beside the same one without the field, or with another poem's. Knows a model and records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from .. import script
from ..corpus import PoemRecord
from ..prosody.lines import FORMS
from . import intervals
from .intervals import Estimate
from .perplexity import score, without_header

TITLES, SCORED_POEMS = 100, 400  # at most
POEMS_A_TITLE = 8
TITLE_FORM = "七絕"
TITLE_LENGTHS = range(2, 7)  # hanzi
NEIGHBOURS = 10
SHUFFLE_SEED = 0
T = TypeVar("T")


def some_titles(records: Sequence[PoemRecord], tokenizer, most: int) -> list[str]:
    """Titles of two to six hanzi that the model knows, each once, spread evenly over the records."""
    titles = dict.fromkeys(
        poem.title
        for poem in records
        if len(poem.title) in TITLE_LENGTHS and all(script.is_hanzi(c) and c in tokenizer for c in poem.title)
    )
    return spread(list(titles), most)


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spaced; the first of 全唐詩 would be the oldest."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def neighbours(model, characters: Sequence[str], count: int = NEIGHBOURS) -> dict[str, set[str]]:
    """For each of some known hanzi the `count` others whose embeddings have the largest cosine with it."""
    tokens, ids = model.tokenizer.tokens, model.tokenizer.ids
    hanzi = [token for token, character in enumerate(tokens) if script.is_hanzi(character)]
    rows = F.normalize(model.embedding.weight.detach()[hanzi].float(), dim=1)  # (K, H)
    found = {}
    for character in characters:
        own = hanzi.index(ids[character])
        cosines = rows @ rows[own]
        cosines[own] = -torch.inf
        nearest = cosines.topk(min(count, len(hanzi) - 1)).indices
        found[character] = {tokens[hanzi[row]] for row in nearest.tolist()}
    return found


def title_effect(
    model, titles: Sequence[str], *, poems_a_title: int = POEMS_A_TITLE, temperature: float = 0.8
) -> dict:
    """How many poems hold a character of their title, or one near to it; and of those written without it.

    Each poem has its twin: the same seed and form, and no title. Intervals are by bootstrap over titles.

    Returns:
        `titles`, `poems`, `form`, and under `character` (one of the title's) and `near` (one of the title's,
        or of the ten nearest to each) the estimates `with`, `without` and `difference`.
    """
    options = {"form": TITLE_FORM, "impose_form": False, "temperature": temperature}
    held = {"character": np.zeros((2, len(titles))), "near": np.zeros((2, len(titles)))}
    near = neighbours(model, sorted({character for title in titles for character in title}))
    for place, title in enumerate(titles):
        wanted = {"character": set(title), "near": set(title).union(*map(near.get, title))}
        for row, given in enumerate((title, "")):
            poems = model.generate(
                title=given, seed=place * poems_a_title, num_poems=poems_a_title, **options
            )
            for name, characters in wanted.items():
                held[name][row, place] = sum(not characters.isdisjoint(poem.text) for poem in poems)
    each = np.full(len(titles), poems_a_title)
    return {
        "titles": len(titles),
        "poems": len(titles) * poems_a_title,
        "form": TITLE_FORM,
        **{
            name: {
                "with": intervals.ratio(counts[0], each),
                "without": intervals.ratio(counts[1], each),
                "difference": intervals.ratio(counts[0] - counts[1], each),
            }
            for name, counts in held.items()
        },
    }


def form_effect(
    named: Sequence[tuple[str, str]], free: Sequence[str]
) -> dict[str, dict[str, Estimate | None]]:
    """For each form the share of poems that have it: `with` its name in the header, `without` any header.

    Args:
        named: (form that the poem has, form that was named), nothing imposed.
        free: forms of poems written with an empty header.
    """
    return {
        form: {
            "with": intervals.share([found == form for found, asked in named if asked == form]),
            "without": intervals.share([found == form for found in free]),
        }
        for form in FORMS
    }


def saved_nats(model, records: Sequence[PoemRecord]) -> dict[str, dict[str, Estimate]]:
    """Nats a token that a header field saves on real poems, beside a header that is empty.

    `true` is the poem's own field alone; `other` is that of another poem, drawn with a fixed seed, which
    differs from it; `gap` is what the true one saves more: only the field's content can do that.

    Args:
        records: held-out poems.

    Returns:
        By field, `title` `author` `form`: the three estimates, over the poems that have the field. A field
        that no poem has, or that is the same in all, is not there.
    """
    bare = without_header(records)
    empty = score(model, bare)
    found = {}
    for field in ("title", "author", "form"):
        values = [getattr(record, field) for record in records]
        places = [place for place, value in enumerate(values) if value]
        if len({values[place] for place in places}) < 2:
            continue
        others = other_values([values[place] for place in places])
        true, other = (
            score(
                model,
                [replace(bare[place], **{field: value}) for place, value in zip(places, given, strict=True)],
            )
            for given in ([values[place] for place in places], others)
        )
        before, tokens = empty.poem_nats[places], empty.poem_tokens[places]
        found[field] = {
            "true": intervals.ratio(before - true.poem_nats, tokens),
            "other": intervals.ratio(before - other.poem_nats, tokens),
            "gap": intervals.ratio(other.poem_nats - true.poem_nats, tokens),
        }
    return found


def other_values(values: Sequence[str]) -> list[str]:
    """For each value one of another place that differs from it: the next that does, in a shuffled order.

    Args:
        values: at least two different ones.
    """
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(values)).tolist()
    result = [""] * len(values)
    for rank, place in enumerate(order):
        ahead = (values[order[(rank + step) % len(order)]] for step in range(1, len(order)))
        result[place] = next(value for value in ahead if value != values[place])
    return result
