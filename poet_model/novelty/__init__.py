"""An index of a corpus that finds the lines of a poem which also occur in other poems."""

from __future__ import annotations

from .index import Match, NoveltyIndex, default_folder

__all__ = ["Match", "NoveltyIndex", "default_folder"]


def __getattr__(name: str) -> object:
    from ..deprecated import moved_name

    return moved_name(__name__, name)
