"""Which of the matches of a poem count as borrowed, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable

from .index import Match

MIN_BORROWED = 4  # characters; a shorter stretch of the corpus counts as common property


def borrowed(matches: Iterable[Match]) -> list[Match]:
    """The matches that are long enough to be more than common property."""
    return [match for match in matches if len(match.text) >= MIN_BORROWED]


def novelty_record(matches: Iterable[Match]) -> list[dict[str, object]]:
    """The borrowed stretches as JSON values: line number, stretch, and title and author of its source."""
    return [
        {"line": match.line, "text": match.text, "title": match.title, "author": match.author}
        for match in borrowed(matches)
    ]


def source_of(match: Match) -> str:
    """The poem that a stretch is from, such as 王之渙《登鸛雀樓》 2×, with how often it occurs."""
    source = f"{match.author or '無名氏'}《{match.title or '無題'}》"
    return source + (f" {match.places}×" if match.places > 1 else "")
