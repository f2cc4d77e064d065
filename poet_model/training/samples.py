"""The poems that a training writes down each time its model has become better."""

from __future__ import annotations

from pathlib import Path

from ..files import append_json_line
from ..model import PoetModel
from ..model_folder import SAMPLES_NAME

STARTS = ("春", "明月", "")
SEED = 7


def write_samples(model: PoetModel, folder: Path, record: dict) -> str:
    """Adds a poem for each start that the model can write to `samples.jsonl`; returns the last one's text.

    Args:
        model: in eval mode.
        folder: of the model.
        record: of the log, from the validation before.
    """
    place = {name: record[name] for name in ("step", "epoch", "perplexity")}
    text = ""
    for start in STARTS:
        if all(character in model.tokenizer for character in start):
            text = model.generate(start, seed=SEED).text
            sample = place | {"start": start, "seed": SEED, "text": text}
            append_json_line(folder / SAMPLES_NAME, sample)
    return text
