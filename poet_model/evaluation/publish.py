"""Measured figures into a model folder: metrics.json and the card."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..files import read_json, write_text
from ..hub.card import write_card
from ..model_folder import METRICS_NAME, REPORT_NAME, read_metrics, weights_mark


def update_folder(folder: Path, measured: dict, **commands: str) -> dict:
    """Writes new figures over the old ones in metrics.json, with the commands for them, and the card.

    Figures by protocols of other projects, which need their files, stay as they were if they were not
    measured again and the weights are the same.

    Args:
        measured: sections of metrics.json, as `measure` gives them; perhaps also `external`.
        commands: by what they made, `training` or `evaluation`.

    Returns:
        What metrics.json now holds.
    """
    old, mark = read_metrics(folder), weights_mark(folder)
    metrics = old | measured | {"corpus": read_json(folder / REPORT_NAME, dict), "weights": mark}
    external = (_external(old) if mark and old.get("weights") == mark else {}) | measured.get("external", {})
    metrics.pop("external", None)
    if external:
        metrics["external"] = external
    metrics["commands"] = metrics.get("commands", {}) | commands
    write_text(folder / METRICS_NAME, json.dumps(metrics, ensure_ascii=False, indent=2) + "\n")
    write_card(folder)
    return metrics


def _external(metrics: dict) -> dict:
    """The whole entries of the section `external` of an old metrics.json."""
    section = metrics.get("external")
    if not isinstance(section, dict):
        return {}
    return {
        name: entry
        for name, entry in section.items()
        if isinstance(entry, dict) and {"perplexity", "tokens"} <= entry.keys()
    }


def command_line(program: str, arguments: Sequence[str]) -> str:
    """A command as typed, but of paths outside the current folder the names only: the rest is local."""
    return " ".join([program, *map(_without_place, map(str, arguments))])


def _without_place(argument: str) -> str:
    if not os.path.isabs(argument) and not argument.startswith(".."):
        return argument
    relative = os.path.relpath(argument)
    return os.path.basename(relative) if relative.startswith("..") else relative
