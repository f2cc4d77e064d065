"""Helpers of the benchmarks: fresh processes, contenders in turn, tables, and results as JSON."""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the benchmarks run from a clone, without installing the package
from poet_model.paths import shown_argument  # noqa: E402


def in_fresh_process(script: str, *arguments: object, checkout: Path = ROOT) -> dict:
    """Runs a script of this folder in a new process and returns the JSON in the last line that it prints.

    Args:
        script: the file name of the script.
        arguments: its command-line arguments.
        checkout: the checkout of the project whose script and code are run.
    """
    command = [sys.executable, str(checkout.resolve() / "benchmarks" / script), *map(str, arguments)]
    return last_line_of(command, checkout)


def last_line_of(command: Sequence[str], folder: Path = ROOT) -> dict:
    """Runs a command and returns the JSON in the last line that it prints. Exits if the command fails."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if result.returncode:
        sys.exit(f"{' '.join(command[:4])} … failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def interleaved(contenders: dict[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Measures each contender once per round.

    The contenders take turns, so that background load affects all of them alike.

    Args:
        contenders: by name, a function that takes the number of the round and returns a measurement.

    Returns:
        The measurements of all rounds, by name.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, measure in contenders.items():
            values[name].append(measure(number))
            print(f"  round {number + 1}/{rounds}  {name}: {values[name][-1]:,.4g}", file=sys.stderr)
    return values


def summary(values: Sequence[float]) -> dict:
    """The median, range and number of the values."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "rounds": len(values),
    }


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table with the first column left-aligned and the others right-aligned."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    print(f"\n{title}")
    for row in (columns, *rows):
        cells = [
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


def command() -> str:
    """The command line of this run, with paths shortened for others."""
    arguments = map(shown_argument, sys.argv[1:])
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])


def finish(record: dict, path: Path | None) -> None:
    """Writes the results of a run and its command line as JSON; does nothing if `path` is None."""
    if path is not None:
        record = record | {"command": command()}
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\nresults written to {path}")
