"""Measures a model and compares it with real poems; the model card shows the results.

    measure(model, corpus)                    all metrics, as sections of metrics.json
    held_out_corpus(folder, source, exclude)  the corpus, split as it was for the training of the model
    update_folder(folder, measured)           writes metrics.json and the model card

These functions are imported on first use, so that the report and the card work without torch.
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


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        from ..deprecated import moved_name

        return moved_name(__name__, name)
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
