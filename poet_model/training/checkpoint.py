"""The checkpoint of a training."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError
from ..model_folder import LOG_NAME

CHECKPOINT_NAME = "checkpoint"


def _differences(given: dict, saved: object, inside: str = "") -> list[str]:
    """Which settings are not as they were saved, each with both values."""
    saved, found = saved if isinstance(saved, dict) else {}, []
    for name in given | saved:
        now, then = given.get(name), saved.get(name)
        if isinstance(now, dict):
            found += _differences(now, then, f"{inside}{name}.")
        elif now != then:
            found.append(f"{inside}{name} was {then} and is {now}")
    return found


def find_checkpoint(output: Path) -> Path:
    """The checkpoint's folder of an unfinished training; CheckpointError if there is none."""
    folder = output / CHECKPOINT_NAME
    if folder.is_dir():
        return folder
    if (output / LOG_NAME).is_file():
        raise CheckpointError(
            f"the training in {output} has ended, so there is nothing to resume; to train its model further, "
            f"give --init-from {output} and another --output"
        )
    raise CheckpointError(f"{folder} is missing: there is nothing to resume; start without --resume")
