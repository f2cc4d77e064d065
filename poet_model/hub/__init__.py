"""Models and Spaces on the Hugging Face Hub: fetching, pushing, and the model card."""

from __future__ import annotations

from .fetch import find_folder
from .push import check_can_push, push_folder

__all__ = ["check_can_push", "find_folder", "push_folder"]


def __getattr__(name: str) -> object:
    from ..deprecated import moved_name

    return moved_name(__name__, name)
