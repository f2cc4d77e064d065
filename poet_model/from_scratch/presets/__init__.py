"""Presets: the shape of a model and the settings of its training, one JSON file each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import quoted
from ..char_lm import CharLM
from ..config import CharLMConfig
from ..vocabulary import Vocabulary

FOLDER = Path(__file__).resolve().parent
KEYS = ("punctuation", "vocabulary_size", "model", "training")


def load_preset(name: str) -> dict[str, Any]:
    """Reads a preset, by the name of a file in this folder or by the path of any JSON file.

    Raises:
        ValueError: there is no such preset, or the file is not one.
    """
    path = FOLDER / f"{name}.json"
    path = path if path.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.json")))
        raise ValueError(f"there is no preset {quoted(name)}; known are {known}, or give a JSON file")
    try:
        preset = json.loads(path.read_text(encoding="utf-8"))
        preset = {key: preset[key] for key in KEYS}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a preset: {error} is wrong or missing") from error
    has_objects = all(isinstance(preset[key], dict) for key in ("model", "training"))
    if not has_objects or type(preset["vocabulary_size"]) not in (int, type(None)):
        raise ValueError(
            f"{path} is not a preset: model and training must be objects, vocabulary_size a number or null"
        )
    return preset


def new_model(preset: dict[str, Any], vocabulary: Vocabulary, seed: int) -> CharLM:
    """An untrained model of the shape that a preset describes."""
    return CharLM(CharLMConfig(len(vocabulary), **preset["model"]), vocabulary, seed=seed)
