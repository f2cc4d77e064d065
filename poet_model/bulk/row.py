"""A row of the data: a poem, how likely the model finds it, its scansion, and what it borrows."""

from __future__ import annotations

from typing import Any

from .. import prosody
from ..generation.poem import Poem
from ..novelty.index import NoveltyIndex

# name: (type in Parquet, what it is), in the order of the columns; the last two are added by the last pass
COLUMNS = {
    "number": ("int64", "the number of the poem in the run, from 0"),
    "text": ("string", "the poem in traditional script; empty if it could not be written"),
    "form": ("string", "the form that it has: 五絕 七絕 五律 七律, or empty"),
    "seed": ("int64", "the seed that gives it again with the same options"),
    "mean_log_prob": ("float64", "the mean log-probability of its characters under the model, in nats"),
    "level": ("string", "the level of its tones, L0 (strictest) to L5 (irregular); null without a form"),
    "rhyme_group": ("string", "the group of 平水韻 in which it rhymes, several joined by /, or empty"),
    "faults": ("list<string>", "what a strict reader would point out, in words"),
    "copied_lines": ("int64", "how many of its lines occur in the indexed corpus; null without an index"),
    "longest_stretch": ("string", "its longest stretch, of 3 characters or more, that occurs there"),
    "title": ("string", "the title that the model was given"),
    "author": ("string", "the author whose style it was to imitate"),
    "request": ("int64", "the line of requests.jsonl that asked for it, from 1"),
    "error": ("string", "why it could not be written; else null"),
    "duplicate_of": ("int64", "the number of the first poem with the same text; else null"),
    "near_duplicate_of": ("int64", "the number of the first poem that shares two adjacent lines; else null"),
}


def row_of(poem: Poem, number: int, request: int, index: NoveltyIndex | None) -> dict[str, Any]:
    """The row of a poem.

    Args:
        poem: the poem.
        number: its number in the run.
        request: the number of its request, from 0.
        index: the index of the poems from which it may borrow; None leaves these columns empty.
    """
    scansion = prosody.scan(poem.text)
    row = {
        "number": number,
        "text": poem.text,
        "form": scansion.form,
        "seed": poem.seed,
        "mean_log_prob": poem.mean_log_prob,
        "level": prosody.LEVELS[scansion.level] if scansion.form else None,
        "rhyme_group": "/".join(scansion.rhyme.groups),
        "faults": [str(fault) for fault in scansion.faults],
        "copied_lines": None,
        "longest_stretch": None,
        "title": poem.title,
        "author": poem.author,
        "request": request + 1,
        "error": None,
    }
    if index is not None:
        matches = index.find(poem.text)
        row["copied_lines"] = sum(match.is_whole for match in matches)
        row["longest_stretch"] = max((match.text for match in matches), key=len, default="")
    return row


def failed_row(error: str, number: int, seed: int, request: int) -> dict[str, Any]:
    """The row of a poem that could not be written, such as one whose rules allowed no next character."""
    return row_of(Poem("", (), seed), number, request, None) | {"error": error}
