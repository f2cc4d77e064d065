"""Sample poems, written whenever the validation loss of a model in training has improved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files import append_json_line
from ..model import PoetModel
from ..model_folder import SAMPLES_NAME

STARTS = ("春", "明月", "")
SEED = 7


def write_samples(model: PoetModel, folder: Path, record: dict[str, Any]) -> str:
    """Appends one poem for each start to `samples.jsonl`, and returns the text of the last one.

    Starts with characters that are not in the vocabulary are left out.

    Args:
        model: the model, in eval mode.
        folder: the model folder.
        record: the log record of the latest validation.
    """
    position = {name: record[name] for name in ("step", "epoch", "perplexity")}
    text = ""
    for start in STARTS:
        if all(character in model.tokenizer for character in start):
            text = model.generate(start, seed=SEED).text
            sample = position | {"start": start, "seed": SEED, "text": text}
            append_json_line(folder / SAMPLES_NAME, sample)
    return text
