"""The folder that a training writes into, before its first step. Knows no model but the one started from."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from ..corpus import Corpus
from ..corpus.held_out import held_out_record, read_held_out, write_held_out
from ..errors import InvalidValueError
from ..files import append_json_line, write_text
from ..hub.fetch import find_folder
from ..model_folder import (
    CARD_NAME,
    EARLIER_LOG_NAME,
    LOG_NAME,
    METRICS_NAME,
    REPORT_NAME,
    SAMPLES_NAME,
    earlier_trainings,
    read_log,
    read_metrics,
)
from .checkpoint import CHECKPOINT_NAME


def history(base: str | None, corpus: Corpus) -> tuple[list[dict], list[dict]]:
    """What the model to start from has behind it.

    Returns:
        Its trainings, the first one first; those with `held_out` saw none of the poems that this one
        validates and tests on. And its log, if it was validated on the same poems, so that losses compare.
    """
    if not base:
        return [], []
    folder = find_folder(base)
    metrics = read_metrics(folder)
    last = {name: metrics[name] for name in ("corpus", "training", "commands") if name in metrics}
    trainings = [*earlier_trainings(metrics), *([last | {"held_out": True}] if last else [])]
    ours, theirs = held_out_record(corpus), read_held_out(folder) or {"valid": [], "test": []}
    if not {*ours["valid"], *ours["test"]} <= {*theirs["valid"], *theirs["test"]}:
        for training in trainings:  # what the last one held out, those before it had held out too
            training.pop("held_out", None)
    return trainings, read_log(folder) if ours["valid"] == theirs["valid"] else []


def begin_folder(output: Path, corpus: Corpus, trainings: list[dict], log: list[dict]) -> None:
    """Makes the folder of a new training: what is known before it begins, and no records of another model.

    Args:
        trainings, log: what the model has behind it, see `history`.

    Raises:
        InvalidValueError: the folder cannot be made or written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in (LOG_NAME, EARLIER_LOG_NAME, SAMPLES_NAME, METRICS_NAME, CARD_NAME):
            (output / name).unlink(missing_ok=True)
        shutil.rmtree(output / CHECKPOINT_NAME, ignore_errors=True)
        for record in log:
            append_json_line(output / EARLIER_LOG_NAME, record)
        if trainings:
            text = json.dumps({"earlier": trainings}, ensure_ascii=False, indent=2)
            write_text(output / METRICS_NAME, text + "\n")
        report = json.dumps(asdict(corpus.report), ensure_ascii=False, indent=2)
        write_text(output / REPORT_NAME, report + "\n")
        write_held_out(output, corpus)
    except OSError as error:
        raise InvalidValueError(
            f"--output {output} cannot be written ({error.strerror}); give another folder"
        ) from error
