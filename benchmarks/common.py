"""What the benchmarks share: the machine in words, fresh processes, a table, and the same as JSON."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run from a clone, without installing


def in_fresh_process(script: str, *arguments: object, checkout: Path = ROOT) -> dict:
    """Runs a script of this folder with `arguments`; the last line it prints is its result, as JSON.

    Args:
        checkout: of the project, whose script and code are run.
    """
    command = [sys.executable, str(checkout.resolve() / "benchmarks" / script), *map(str, arguments)]
    return last_line_of(command, checkout)


def last_line_of(command: Sequence[str], folder: Path = ROOT) -> dict:
    """The JSON in the last line that a command prints; the end of its errors if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} … failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def interleaved(contenders: dict[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Each contender's figure in each round; they take turns, so that a noisy minute hits all of them."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, measure in contenders.items():
            figures[name].append(measure(number))
            print(f"  round {number + 1}/{rounds}  {name}: {figures[name][-1]:,.4g}", file=sys.stderr)
    return figures


def summary(figures: Sequence[float]) -> dict:
    """Median and range."""
    return {
        "median": statistics.median(figures),
        "low": min(figures),
        "high": max(figures),
        "rounds": len(figures),
    }


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, the first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    print(f"\n{title}")
    for row in (columns, *rows):
        cells = [
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


def command() -> str:
    """The command line of this run; of absolute paths the names alone, which tell no place of a machine."""
    arguments = (Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])


def finish(record: dict, path: Path | None) -> None:
    """Writes the figures of a run, and the command that made them, as JSON, if a file is named."""
    if path is not None:
        record = record | {"command": command()}
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\nwritten to {path}")
