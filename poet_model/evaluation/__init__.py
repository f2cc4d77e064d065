"""Measuring a model beside real poems; the figures of its card.

    measure(model, corpus)           every figure, as sections of metrics.json
    held_out_corpus(folder, source)  the poems that a model's training held out
    update_folder(folder, measured)  writes metrics.json and the card

They are loaded when they are first used: the report and the card need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .measurement import held_out_corpus, measure
    from .publish import command_line, update_folder

_MODULE_OF = {
    "command_line": "publish",
    "held_out_corpus": "measurement",
    "measure": "measurement",
    "update_folder": "publish",
}
__all__ = ["command_line", "held_out_corpus", "measure", "update_folder"]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        from ..deprecated import moved_name

        return moved_name(__name__, name)
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
