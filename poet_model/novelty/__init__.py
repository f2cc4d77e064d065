"""Which lines of a poem stand in other poems: an index of a corpus to look them up in."""

from __future__ import annotations

from .index import Match, NoveltyIndex, default_folder

__all__ = ["Match", "NoveltyIndex", "default_folder"]


def __getattr__(name: str):
    from ..deprecated import moved_name

    return moved_name(__name__, name)
