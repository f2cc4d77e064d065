"""The output folder of a training run before its first step: the corpus report and the model's history."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import MODEL_TYPE
from ..corpus import Corpus
from ..corpus.held_out import held_out_record, read_held_out, write_held_out
from ..errors import CheckpointError, InvalidValueError
from ..files import append_json_line, make_folder, read_json, write_text
from ..folders import replaced_folder
from ..hub.fetch import find_folder
from ..model_folder import (
    CONFIG_NAME,
    EARLIER_LOG_NAME,
    GENERATION_CONFIG_NAME,
    HELD_OUT_NAME,
    LOG_NAME,
    METRICS_NAME,
    RECORDS,
    REPORT_NAME,
    REQUIRED_FILES,
    TOKENIZER_CONFIG_NAME,
    earlier_trainings,
    model_files,
    read_log,
    read_metrics,
)
from .checkpoint import CHECKPOINT_NAME, has_begun

PREVIOUS_NAME = "previous-model"  # the folder of the old model, until the new training has ended
# files that a training run deletes or writes
_REPLACED = (*REQUIRED_FILES, TOKENIZER_CONFIG_NAME, GENERATION_CONFIG_NAME, *RECORDS)


def check_output(output: Path, resume: bool) -> None:
    """Checks, before any long work, that a run may save its model in a folder, and that it can.

    Args:
        output: the folder, which exists.
        resume: whether the run in it is resumed.

    Raises:
        InvalidValueError: the folder has an unfinished run that is not resumed, or files that are not a
            model's but would be replaced; or it cannot be written to.
    """
    if output.resolve() in (Path(output.resolve().anchor), Path(os.path.expanduser("~")).resolve()):
        raise InvalidValueError(f"--output {output} is no place for a model's files; give a folder in it")
    checkpoint = output / CHECKPOINT_NAME
    if not resume and has_begun(checkpoint):
        raise InvalidValueError(
            f"{output} contains an unfinished training run: add --resume to continue it, or give another "
            f"--output, or delete {checkpoint} to discard it"
        )
    if not resume and not _is_ours(output) and (others := [n for n in _REPLACED if (output / n).exists()]):
        raise InvalidValueError(
            f"--output {output} has no model, but {', '.join(others[:3])}, which would be replaced; give a "
            "folder of its own to the model"
        )
    try:
        with replaced_folder(output):  # a save that changes nothing
            pass
    except OSError as error:
        raise InvalidValueError(
            f"--output {output} cannot be written to ({error.strerror or error}); give another folder"
        ) from error


def _is_ours(output: Path) -> bool:
    """Whether a folder has a model of this package, or the records of its training."""
    try:
        is_model = read_json(output / CONFIG_NAME, dict).get("model_type") == MODEL_TYPE
    except CheckpointError:
        is_model = False
    return is_model or any((output / name).exists() for name in (LOG_NAME, REPORT_NAME, HELD_OUT_NAME))


def history(base: str | None, corpus: Corpus) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The training history of the model to start from.

    Args:
        base: the folder or Hub id of that model; None for a new model.
        corpus: the corpus to train on.

    Returns:
        The earlier training runs, oldest first, in which `held_out` marks those that did not train on the
        valid and test poems of `corpus`; and the model's log if it was validated on the same poems, so that
        losses are comparable, otherwise [].
    """
    if not base:
        return [], []
    folder = find_folder(base)
    metrics = read_metrics(folder)
    last = {name: metrics[name] for name in ("corpus", "training", "commands") if name in metrics}
    trainings = [*earlier_trainings(metrics), *([last | {"held_out": True}] if last else [])]
    ours, theirs = held_out_record(corpus), read_held_out(folder) or {"valid": [], "test": []}
    if not {*ours["valid"], *ours["test"]} <= {*theirs["valid"], *theirs["test"]}:
        # `held_out` means that a run held out what the last run did; these are other poems, so no mark holds
        for training in trainings:
            training.pop("held_out", None)
    # a corpus without valid poems is validated on its test poems
    validated = (record["valid"] or record["test"] for record in (ours, theirs))
    return trainings, read_log(folder) if next(validated) == next(validated) else []


def _set_aside(output: Path) -> None:
    """Moves an old model and its records into the folder PREVIOUS_NAME, completely or not at all."""
    names, previous = model_files(path.name for path in output.iterdir()), output / PREVIOUS_NAME
    # what a discarded run has left does not take the place of the model that was there before it
    if (output / CONFIG_NAME).is_file() and not _is_ours(previous):
        with replaced_folder(previous) as fresh:
            for name in names:
                shutil.copyfile(output / name, fresh / name)
    for name in names:
        (output / name).unlink()


def remove_previous(output: Path) -> None:
    """Deletes the model that was in the folder before, once the new training has ended."""
    if _is_ours(output / PREVIOUS_NAME):
        shutil.rmtree(output / PREVIOUS_NAME, ignore_errors=True)


def begin_folder(
    output: Path, corpus: Corpus, trainings: list[dict[str, Any]], log: list[dict[str, Any]]
) -> None:
    """Creates the output folder of a new run. A model in it is set aside, see `remove_previous`.

    Writes the corpus report, the hashes of the held-out poems, and the history of the model to start from.

    Args:
        output: the folder.
        corpus: the corpus to train on.
        trainings, log: as returned by `history`.

    Raises:
        InvalidValueError: the folder cannot be created or written to.
    """
    try:
        make_folder(output)
        shutil.rmtree(output / CHECKPOINT_NAME, ignore_errors=True)
        _set_aside(output)
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
            f"--output {output} cannot be written to ({error.strerror}); give another folder"
        ) from error
