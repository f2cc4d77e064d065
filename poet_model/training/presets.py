"""Presets: architecture and training settings by name or from a JSON file. It does not import torch."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from ..config import CELL_GATES, PoetConfig
from ..errors import InvalidValueError, check_number, quoted
from ..files import read_json
from .config import TrainingConfig

PRESETS = Path(__file__).with_name("presets")
CELLS = tuple(CELL_GATES)  # possible values of PoetConfig.cell
_REMEDY = "see the examples in poet_model/training/presets"
_PARTS = {"about", "limit", "model", "training"}


def preset_names() -> list[str]:
    """The names of the presets that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def load_preset(name: str) -> dict[str, Any]:
    """Loads and checks a preset.

    Args:
        name: the name of a preset that comes with the project, or the path of a JSON file in the same format.

    Returns:
        A dict with `model` (settings of PoetConfig), `training` (settings of TrainingConfig) and `limit`
        (maximum number of poems to train on; None for all).

    Raises:
        InvalidValueError: there is no such preset, or a key or value in it is invalid.
        CheckpointError: the file is not JSON.
    """
    path = PRESETS / f"{name}.json"
    path = path if path.is_file() else Path(name)
    if not path.is_file():
        near = difflib.get_close_matches(name, ["auto", *preset_names()], n=1)
        raise InvalidValueError(
            f"--preset {quoted(name)} is neither auto, nor one of {', '.join(preset_names())}, nor a JSON "
            f"file; give one of these{f' (did you mean {near[0]}?)' if near else ''}"
        )
    preset = {"limit": None, "model": {}, "training": {}} | read_json(path, dict, _REMEDY)
    if unknown := sorted(preset.keys() - _PARTS):
        raise InvalidValueError(
            f"{path} has unknown keys {unknown[:5]}; the known ones are {', '.join(sorted(_PARTS))}"
        )
    _check(preset, path)
    return preset


def _check(preset: dict[str, Any], path: Path) -> None:
    """Raises InvalidValueError, naming the file and the setting, if a setting is invalid."""
    part = ""
    try:
        check_number("limit", preset["limit"], 1, whole=True, optional=True)
        part = "model."
        PoetConfig(vocab_size=6, **preset["model"])
        part = "training."
        TrainingConfig(**preset["training"])
    except InvalidValueError as error:  # the message begins with the name of the setting
        raise InvalidValueError(f"--preset {path}: {part}{error}") from error
    except TypeError as error:
        raise InvalidValueError(f"{path} is not a valid preset: {error}; {_REMEDY}") from error
