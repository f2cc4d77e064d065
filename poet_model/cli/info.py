"""`poet info MODEL` shows what is in a model: its size, its figures, its files and its fingerprint."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..command_parser import new_parser
from ..config import PoetConfig
from ..errors import command
from ..evaluation.report import report_text
from ..hub.fetch import find_folder
from ..hub.project import shipped_folder
from ..model_folder import model_files, read_metrics, weights_mark
from ..tokenizer import PoetTokenizer

EXAMPLES = """examples:
  {prog}
  {prog} runs/tang-lstm
  {prog} user/tang-lstm --json"""


def make_parser(prog: str = "poet info") -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = new_parser(
        prog,
        "Show a model's size, how it was trained, its figures, its files and its fingerprint.",
        EXAMPLES,
        usage=f"{prog} [MODEL] [OPTIONS]",
    )
    add = parser.add_argument
    add("model", nargs="?", metavar="MODEL", help="a model folder or a Hub id (default: the shipped model)")
    add("--json", action="store_true", help="print a JSON object, with all metrics")
    return parser


@command
def main(words: Sequence[str] | None = None, prog: str = "poet info") -> None:
    """Prints what is in the model."""
    options = make_parser(prog).parse_args(words)
    folder = find_folder(options.model or shipped_folder())
    record = describe(folder)
    print(json.dumps(record, ensure_ascii=False, indent=2) if options.json else in_words(folder, record))


def describe(folder: Path) -> dict[str, Any]:
    """What is in a model folder, as JSON values.

    Raises:
        CheckpointError: a file is damaged.
    """
    config, tokenizer = PoetConfig.load(folder), PoetTokenizer.load(folder)
    return {
        "folder": str(folder),
        "cell": config.cell,
        "num_layers": config.num_layers,
        "hidden_size": config.hidden_size,
        "parameters": config.num_parameters,
        "characters": len(tokenizer.characters),
        "authors": len(tokenizer.authors),
        "files": {
            name: (folder / name).stat().st_size
            for name in model_files(path.name for path in folder.iterdir())
        },
        "sha256": weights_mark(folder),
        "metrics": read_metrics(folder),
    }


def in_words(folder: Path, record: dict[str, Any]) -> str:
    """The record of `describe` as a text."""
    metrics = record["metrics"]
    lines = [
        f"{folder.name}: {record['cell']}, {record['num_layers']} layers of {record['hidden_size']}, "
        f"{record['parameters']:,} parameters, {record['characters']:,} characters, "
        f"{record['authors']:,} authors",
        f"{'folder':<9} {record['folder']}",
    ]
    commands = metrics.get("commands")
    if isinstance(commands, dict) and commands.get("training"):
        lines.append(f"{'trained':<9} {commands['training']}")
    lines.append(f"{'weights':<9} SHA-256 {record['sha256']}")
    lines += ["", *(f"{size:>12,} bytes  {name}" for name, size in record["files"].items())]
    if {"perplexity", "poems", "measures"} <= metrics.keys():
        lines += ["", report_text(metrics)]
    else:
        lines += ["", f"not measured yet: poet evaluate {folder}"]
    return "\n".join(lines)
