"""The presets: architecture and recipe by name, or from a JSON file of the same shape. Loads no torch."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..config import CELL_GATES, PoetConfig
from ..errors import InvalidValueError, check_number
from ..files import read_json
from .config import TrainingConfig

PRESETS = Path(__file__).with_name("presets")
CELLS = tuple(CELL_GATES)  # what `cell` of a model may be
_REMEDY = "see poet_model/training/presets"
_PARTS = {"about", "limit", "model", "training"}


def preset_names() -> list[str]:
    """The presets that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def load_preset(name: str) -> dict:
    """`model` (settings of PoetConfig), `training` (of TrainingConfig) and `limit` (poems; None: all).

    Args:
        name: of a preset that comes with the project, or the path of a JSON file of the same shape.

    Raises:
        InvalidValueError: there is none of that name, or it holds what cannot be.
        CheckpointError: the file is no JSON.
    """
    path = PRESETS / f"{name}.json"
    path = path if path.is_file() else Path(name)
    if not path.is_file():
        near = difflib.get_close_matches(name, ["auto", *preset_names()], n=1)
        raise InvalidValueError(
            f"--preset {name!r} is neither auto, one of {', '.join(preset_names())} nor a JSON file; "
            f"give one of these{f' (did you mean {near[0]}?)' if near else ''}"
        )
    preset = {"limit": None, "model": {}, "training": {}} | read_json(path, dict, _REMEDY)
    if unknown := sorted(preset.keys() - _PARTS):
        raise InvalidValueError(f"{path}: unknown keys {unknown[:5]}; known are {', '.join(sorted(_PARTS))}")
    _check(preset, path)
    return preset


def _check(preset: dict, path: Path) -> None:
    """Raises InvalidValueError that names the file and the setting."""
    part = ""
    try:
        check_number("limit", preset["limit"], 1, whole=True, optional=True)
        part = "model."
        PoetConfig(vocab_size=6, **preset["model"])
        part = "training."
        TrainingConfig(**preset["training"])
    except InvalidValueError as error:  # its first word is the setting
        raise InvalidValueError(f"--preset {path}: {part}{error}") from error
    except TypeError as error:
        raise InvalidValueError(f"{path} is no preset: {error}; {_REMEDY}") from error
