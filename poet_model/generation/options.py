"""GenerationConfig: how characters are chosen."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import CheckpointError, InvalidValueError
from ..files import read_json, write_text
from ..model_folder import GENERATION_CONFIG_NAME

# what transformers may note in a generation_config.json; our ids are those of the tokenizer
_IDS = [f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")]
_OF_TRANSFORMERS = ("transformers_version", "_from_model_config", "use_cache", *_IDS)


@dataclass(frozen=True)
class GenerationConfig:
    """How characters are chosen.

    Args:
        temperature: logits are divided by it; 0 takes the likeliest character every time.
        top_k: only the k likeliest characters are drawn from; 0 means all.
        top_p: only the likeliest characters that together have at least this probability are drawn from.
        max_length: after this many characters the poem ends with the line it is in.
        frequency_penalty: nats that a character loses for each time the poem has it already, against
            repetition; not right behind itself (叠字, as in 青青). With the default the shipped model repeats
            about one character a poem, as real poems do; without it, it repeats several.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    max_length: int = 128
    frequency_penalty: float = 1.5

    def __post_init__(self):
        for name, low, high, kind in (
            ("temperature", 0, 100, (int, float)),
            ("top_k", 0, math.inf, (int,)),
            ("top_p", 0, 1, (int, float)),
            ("frequency_penalty", 0, 100, (int, float)),
            ("max_length", 1, 4096, (int,)),
        ):
            value = getattr(self, name)
            right_type = isinstance(value, kind) and not isinstance(value, bool)
            if not right_type or not low <= value <= high or (name == "top_p" and value == 0):
                what = "a whole number" if kind == (int,) else "a number"
                least = "above 0" if name == "top_p" else f"from {low}"
                bound = "upwards" if high == math.inf else f"to {high}"
                raise InvalidValueError(f"{name} must be {what} {least} {bound}, got {value!r}")

    def save(self, folder: Path, more: dict | None = None) -> None:
        """Writes `generation_config.json` into `folder`, with `more` keys for other libraries."""
        text = json.dumps((more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / GENERATION_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> GenerationConfig:
        """Reads `generation_config.json` from `folder`; without that file the defaults hold."""
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not os.path.lexists(path):
            return cls()
        record = read_json(path, dict)
        for name in _OF_TRANSFORMERS:
            record.pop(name, None)
        if record.pop("do_sample", True) is not True:
            raise CheckpointError(
                f"{path}: do_sample must be true here; for the likeliest poem take temperature 0"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(f"{path}: unknown settings {unknown[:5]}; known are {sorted(known)}")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
