"""What all experiments share: the command line, the table, the figure and the record."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from ...extras import how_to_install
from ...prosody.lines import read_lines
from ...terminal import is_terminal, on_any_terminal
from ..training import show_bar

ROOT = Path(__file__).resolve().parents[3]
T = TypeVar("T")
RECORDS, QUICK_RECORDS = ROOT / "assets" / "experiments", ROOT / "runs" / "experiments"


@on_any_terminal
def run_experiment(
    module: str, run: Callable[[bool], dict[str, Any]], draw: Callable[[dict[str, Any], Any], None] | None
) -> int:
    """The command of an experiment: runs it, prints its table, and writes its record and its figure.

    Args:
        module: the file of the experiment, or its `__spec__.name`. The last part names the files written.
        run: `run(quick)` returns the record, which has a table under "columns" and "rows".
        draw: `draw(record, figure)` plots the record. None: there is no figure.

    Returns:
        The exit status.
    """
    name = Path(module).stem.split(".")[-1]
    parser = argparse.ArgumentParser(description=(sys.modules[run.__module__].__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        help="folder for record and figure; default assets/experiments, or runs/experiments with --quick",
    )
    parser.add_argument("--quick", action="store_true", help="run only a small part, to see that it works")
    options = parser.parse_args()
    options.output = options.output or (QUICK_RECORDS if options.quick else RECORDS)
    if draw is not None:
        need("matplotlib")  # before the work, which can take half an hour
    started = time.perf_counter()
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        record = run(options.quick)
    except BrokenPipeError:  # no error: nobody reads the output any more
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
    command = f"python -m poet_model.from_scratch.experiments.{name}{' --quick' * options.quick}"
    record = {"experiment": name, "command": command, "machine": machine()} | record
    record["seconds"] = round(time.perf_counter() - started, 1)
    print_table(record["columns"], record["rows"])
    for line in record.get("notes", []):
        print(line)
    path = options.output / f"{name}.json"
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    written = [path]
    if draw is not None:
        figure = new_figure()
        draw(record, figure)
        figure.savefig(path.with_suffix(".png"), dpi=110)
        written.append(path.with_suffix(".png"))
    print("\nwritten:", ", ".join(file.name for file in written), "in", options.output)
    return 0


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table, with numbers to four significant digits."""
    cells = [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in (columns, *cells)) for i in range(len(columns))]
    print()
    for row in (columns, *cells):
        print(
            "  "
            + "  ".join(
                text.ljust(w) if i == 0 else text.rjust(w)
                for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    print()


def new_figure() -> Any:
    """An empty figure that needs no screen. Labels are in English, so any font will do."""
    need("matplotlib").use("Agg")
    from matplotlib import pyplot

    return pyplot.figure(figsize=(9, 4), layout="constrained")


def need(module: str) -> Any:
    """Imports a module that only some experiments need; exits with one sentence if it is missing."""
    try:
        return import_module(module)
    except ImportError:
        raise SystemExit(
            f"this experiment needs {module}, which is not installed; {how_to_install(module)}"
        ) from None


def progress(items: Iterable[T], total: int, text: str = "") -> Iterator[T]:
    """Yields the items, and shows a progress bar if stderr is a terminal."""
    started = time.perf_counter()
    for number, item in enumerate(items, 1):
        yield item
        if is_terminal(sys.stderr):
            show_bar(number / total, text, started)


def three_hundred(punctuation: bool = True) -> tuple[list[str], list[str]]:
    """唐詩三百首, downloaded once with npm (85 MB): the poems to train on, and those to validate on."""
    need("opencc")
    from ...corpus.prepare import load_corpus

    splits = load_corpus("tang300").splits
    train = [poem.text for poem in splits["train"]]
    held_out = [poem.text for name in ("valid", "test") for poem in splits[name]]
    if punctuation:
        return train, held_out
    without, and_these = (["".join(read_lines(text)) for text in group] for group in (train, held_out))
    return without, and_these


def machine() -> str:
    """The machine, in words for the record."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
