"""A character-level LSTM that writes Tang poems.

    >>> import poet_model
    >>> print(poet_model.load().generate("春", form="五絕", tones=True, rhyme=True, seed=22))
    春水行人醉，紗筵枕上愁。
    一朝歌落盡，無復最高樓。

Public names are imported when they are first used. Only PoetModel needs torch: NumpyPoetModel reads the same
folder and writes the same poems without it, and `load` takes whichever there is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_MODULE_OF = {
    "load": "loading",
    "PoetModel": "model",
    "NumpyPoetModel": "numpy_model",
    "PoetConfig": "config",
    "PoetTokenizer": "tokenizer",
    "GenerationConfig": "generation.options",
    "Poem": "generation.poem",
    "PoetError": "errors",
    "InvalidValueError": "errors",
    "UnknownCharacterError": "errors",
    "CorpusError": "errors",
    "CheckpointError": "errors",
    "HubError": "errors",
}
__all__ = [
    "CheckpointError",
    "CorpusError",
    "GenerationConfig",
    "HubError",
    "InvalidValueError",
    "NumpyPoetModel",
    "Poem",
    "PoetConfig",
    "PoetError",
    "PoetModel",
    "PoetTokenizer",
    "UnknownCharacterError",
    "load",
]

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from .config import PoetConfig
    from .errors import (
        CheckpointError,
        CorpusError,
        HubError,
        InvalidValueError,
        PoetError,
        UnknownCharacterError,
    )
    from .generation.options import GenerationConfig
    from .generation.poem import Poem
    from .loading import load
    from .model import PoetModel
    from .numpy_model import NumpyPoetModel
    from .tokenizer import PoetTokenizer


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    except ModuleNotFoundError as error:
        from .extras import how_to_install

        if not (how := how_to_install(error.name or "")):
            raise
        needs = f"{name} needs {error.name}, which is not installed; {how}"
        raise ModuleNotFoundError(needs, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # without torch, `help(poet_model)` would fail at PoetModel
    missing = {"PoetModel"} if importlib.util.find_spec("torch") is None else set()
    return sorted({*globals(), *_MODULE_OF} - missing)


class _OldModules:
    """Finds old names of modules, last in sys.meta_path. It loads deprecated.py only when it is needed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(f"{__name__}."):
            return None
        from . import deprecated

        return deprecated.find_spec(name)


sys.meta_path.append(_OldModules)
