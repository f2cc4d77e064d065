"""Writes measured metrics into a model folder: metrics.json and the model card. Measures nothing itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import read_json, write_text
from ..model_folder import METRICS_NAME, REPORT_NAME, read_metrics, weights_mark
from ..paths import shown_argument
from ..terminal import valid_text


def check_records(folder: Path) -> None:
    """Raises CheckpointError if `update_folder` could not read the records of the folder.

    Measuring takes minutes, so a damaged record is found before.
    """
    read_metrics(folder)
    read_json(folder / REPORT_NAME, dict)


def update_folder(folder: Path, measured: dict[str, Any], **commands: str) -> dict[str, Any]:
    """Updates metrics.json with new sections and rewrites the model card.

    Entries of the section `external` are measured by the protocols of other projects and need their files.
    They are kept from the old metrics.json unless they were measured again, provided that the weights are the
    same.

    Args:
        measured: sections of metrics.json as returned by `measure`, optionally with `external`.
        commands: the command lines that produced the metrics, by the name `training` or `evaluation`.

    Returns:
        The new content of metrics.json.
    """
    from ..hub.card import write_card  # imports jinja2, which the parsers of the commands do without

    old, mark = read_metrics(folder), weights_mark(folder)
    metrics = old | measured | {"corpus": read_json(folder / REPORT_NAME, dict), "weights": mark}
    external = (_external(old) if mark and old.get("weights") == mark else {}) | measured.get("external", {})
    metrics.pop("external", None)
    if external:
        metrics["external"] = external
    earlier = metrics.get("commands")
    metrics["commands"] = (earlier if isinstance(earlier, dict) else {}) | commands
    write_text(folder / METRICS_NAME, json.dumps(metrics, ensure_ascii=False, indent=2) + "\n")
    write_card(folder)
    return metrics


def _external(metrics: dict[str, Any]) -> dict[str, Any]:
    """The complete entries of the section `external` of an old metrics.json."""
    section = metrics.get("external")
    if not isinstance(section, dict):
        return {}
    return {
        name: entry
        for name, entry in section.items()
        if isinstance(entry, dict) and {"perplexity", "tokens"} <= entry.keys()
    }


def command_line(program: str, arguments: Sequence[str]) -> str:
    """The command, for a shell, as typed, but with paths shortened as in `paths.shown_argument`."""
    return valid_text(f"{program} {shlex.join(map(shown_argument, map(str, arguments)))}".rstrip())
