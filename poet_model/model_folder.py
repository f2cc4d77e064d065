"""The files of a model folder: their names, which of them are required, and readers of the records.

Records (RECORDS) are the files that describe a model: card, metrics, logs, samples, corpus report.
PoetConfig, weights.py, PoetTokenizer and GenerationConfig read the files that make it work.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .errors import CheckpointError, excerpt, quoted
from .files import MAX_CONFIG_BYTES, MAX_JSON_BYTES, is_number, opened, read_json, read_json_lines

CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME = "config.json", "model.safetensors", "tokenizer.json"
INDEX_NAME = f"{WEIGHTS_NAME}.index.json"  # lists the shards if the weights are in several files
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
GENERATION_CONFIG_NAME = "generation_config.json"
CARD_NAME, METRICS_NAME = "README.md", "metrics.json"
LOG_NAME, EARLIER_LOG_NAME, SAMPLES_NAME = "training_log.jsonl", "earlier_log.jsonl", "samples.jsonl"
REPORT_NAME, HELD_OUT_NAME = "corpus_report.json", "held_out.json"
MAX_TOKENIZER_BYTES = 6 << 20  # enough for the largest vocabulary that PoetConfig allows
SHARD_END = ".safetensors"
REQUIRED_FILES = (CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME)
RECORDS = (CARD_NAME, METRICS_NAME, LOG_NAME, EARLIER_LOG_NAME, SAMPLES_NAME, REPORT_NAME, HELD_OUT_NAME)
# patterns of the files of a model; nothing else is fetched, and only REMOTE_CODE is pushed besides
MODEL_FILES = (
    *REQUIRED_FILES,
    INDEX_NAME,
    "model-*-of-*.safetensors",
    TOKENIZER_CONFIG_NAME,
    GENERATION_CONFIG_NAME,
    *RECORDS,
)
REMOTE_CODE = (
    "configuration_poet.py",
    "modeling_poet.py",
)  # for transformers; this package never fetches or runs it


def check_folder(folder: Path, name: str) -> Path:
    """Returns the folder if it has all files that a model needs, and none that lies elsewhere.

    Args:
        folder: the folder.
        name: the name of the model in the error message.

    Raises:
        CheckpointError: a required file is missing, or a file is a link that leads out of the folder.
    """
    missing = [file for file in REQUIRED_FILES if not (folder / file).is_file()]
    if (folder / INDEX_NAME).is_file() and WEIGHTS_NAME in missing:
        missing.remove(WEIGHTS_NAME)
    if missing:
        raise CheckpointError(
            f"{name} is not a complete poet-lstm model: it lacks {', '.join(missing)}; "
            "save or download it again, or give another name"
        )
    check_links(
        folder, (name for name in os.listdir(folder) if name.endswith(SHARD_END) or model_files([name]))
    )
    return folder


def check_links(folder: Path, names: Iterable[str]) -> None:
    """Raises CheckpointError if one of these files is a link that leads out of the folder.

    By such a link, a folder from someone else could make a push publish any file of the user. The folder
    itself may be a link. A snapshot in the Hub's cache consists of links to the blobs of this cache, and
    these are the only ones that may lead out of it.
    """
    home = Path(os.path.realpath(folder))
    for name in names:
        if os.path.islink(folder / name):
            target = Path(os.path.realpath(folder / name))
            if not target.is_relative_to(home) and not _is_blob(target, home):
                raise CheckpointError(
                    f"{folder / name} is a link that leads out of the folder; put the file itself there, "
                    "or delete the link"
                )


def _is_blob(path: Path, snapshot: Path) -> bool:
    """Whether a file is one that the Hub's cache stores for a snapshot.

    Args:
        path: the file, by its path without links.
        snapshot: a folder in `models--user--name/snapshots/COMMIT`, by its path without links.
    """
    for repository in snapshot.parents:
        if repository.name.startswith("models--") and snapshot.is_relative_to(repository / "snapshots"):
            shared = (repository.parent / "blobs").as_posix()  # what several repositories have in common
            return path.parent == repository / "blobs" or bool(
                re.fullmatch(f"{re.escape(shared)}/[0-9a-f]{{2}}/[0-9a-f]{{64}}", path.as_posix())
            )
    return False


def model_files(names: Iterable[str]) -> list[str]:
    """The names that match a file of a model, sorted."""
    patterns = (*MODEL_FILES, *REMOTE_CODE)
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def weight_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The files with the weights of a model.

    Returns:
        The one file, and {}; or, if there is only an index, all shards, and the file name of each tensor.

    Raises:
        CheckpointError: the index is damaged, or names a file that is missing or not in the folder.
    """
    path, index = folder / WEIGHTS_NAME, folder / INDEX_NAME
    if path.is_file() or not index.is_file():
        return [path], {}
    weight_map = read_json(index, dict, limit=MAX_CONFIG_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f"{index}: weight_map does not name a file for each tensor; save the model again"
        )
    names = sorted({name if isinstance(name, str) else repr(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(SHARD_END) or "\\" in name:
            raise CheckpointError(
                f"{index}: {quoted(name)} is not the file name of a shard; shards must be in the folder of "
                f"the index and end in {SHARD_END}"
            )
    if missing := [name for name in names if not os.path.isfile(folder / name)]:
        raise CheckpointError(f"{index}: {excerpt(missing[0])} is missing; download the model again")
    return [folder / name for name in names], weight_map


def copy_records(source: Path, folder: Path) -> None:
    """Copies the card, the metrics and the training records from one model folder to another.

    Raises:
        CheckpointError: one of them is a link that leads out of its folder.
    """
    check_links(source, RECORDS)
    for name in RECORDS:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def read_metrics(folder: str | Path) -> dict[str, Any]:
    """The content of `metrics.json`; {} if there is no such file.

    Up to and including version 0.1.0, the metric measured by the protocol of tangshi-gpt, another model of
    Tang poems, was stored under `perplexity`. It is returned where such metrics are stored now: under
    `external`, by the name of the other project.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = Path(folder) / METRICS_NAME
    if not os.path.lexists(path):
        return {}
    metrics = read_json(path, dict, "delete it, and measure the model again")
    perplexity, external = metrics.get("perplexity"), metrics.get("external", {})
    if isinstance(perplexity, dict) and "tangshi_gpt" in perplexity and isinstance(external, dict):
        metrics["external"] = {"tangshi_gpt": perplexity.pop("tangshi_gpt")} | external
    return metrics


def earlier_trainings(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of the training runs before the last one: `corpus`, `training` and `commands` of each."""
    earlier = metrics.get("earlier")
    return [one for one in earlier if isinstance(one, dict)] if isinstance(earlier, list) else []


def read_log(folder: str | Path) -> list[dict[str, Any]]:
    """The training log of a model, preceded by that of the run it continued on the same corpus, if any.

    Epochs and steps are numbered continuously.

    Raises:
        CheckpointError: a file cannot be read, or is too large for a log.
    """
    earlier, records = (
        read_json_lines(Path(folder) / name, MAX_JSON_BYTES) for name in (EARLIER_LOG_NAME, LOG_NAME)
    )
    for name in ("epoch", "step"):
        done = max((record[name] for record in earlier if is_number(record.get(name))), default=0)
        for record in records:
            if is_number(record.get(name)):
                record[name] = round(record[name] + done, 4)
    return earlier + records


def known_starts(folder: Path) -> list[str]:
    """Beginnings of poems that can stand in an example: the model in the folder knows their characters.

    They are 春 and 明月 or, if the model knows neither, its most frequent character.
    """
    path, starts = folder / TOKENIZER_NAME, ["春", "明月"]
    if not path.is_file():
        return starts
    network = read_json(path, dict, limit=MAX_TOKENIZER_BYTES).get("model")
    vocabulary = (network.get("vocab") if isinstance(network, dict) else None) or {}
    known = [start for start in starts if all(character in vocabulary for character in start)]
    # the ids are in the order of frequency; of the single characters, marks are not letters
    return known or [next((token for token in vocabulary if len(token) == 1 and token.isalpha()), "")]


def how_to_write(folder: Path) -> str:
    """Two lines of Python, to be pasted, that load the model in a folder and print a poem."""
    texts = folder.as_posix(), known_starts(folder)[0]
    path, start = (json.dumps(text, ensure_ascii=False) for text in texts)
    return f"from poet_model import PoetModel\nprint(PoetModel.from_pretrained({path}).generate({start}))\n"


def weights_mark(folder: Path) -> str | None:
    """The SHA-256 of the weights, to tell models apart: of one file, or of all shards one after the other.

    It is None if there are no weights.
    """
    digest = hashlib.sha256()
    files, _ = weight_files(folder)
    for path in files:
        if not path.is_file():
            return None
        with opened(path, "save the model again") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
