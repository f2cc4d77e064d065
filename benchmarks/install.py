"""Measures an installation of the wheel: its size, how long it takes, and how long the first poem takes.

    python benchmarks/install.py --json benchmarks/results/install.json

The wheel is built by `python -m build` and installed into empty environments, with the packages that it
needs, from a folder: only the downloads depend on the network. Then `poet write 春` runs there with an
empty home: cold, as after an installation without bytecode, and warm. In both, the files may be in the page
cache. It is compared with `python -c "import torch"`, and with the same poem by torch, in the environment of
this benchmark. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common import ROOT, finish, interleaved, show, summary

from poet_model.errors import command

MB = 1e6
POEM = "poet_model.load(backend='torch').generate('春', seed=7)"
WRITE, IMPORT_TORCH, BY_TORCH = "poet write 春", 'python -c "import torch"', "the same poem by torch"
GOALS = {"wheel_mb": 20, "installed_mb": 130, "write_seconds": 1}
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")


class Environment:
    """A virtual environment with nothing in it, not even pip.

    Args:
        folder: where it is made.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python, self.poet = str(scripts / "python"), str(scripts / "poet")

    def site(self) -> Path:
        """The folder that packages are installed into."""
        return next(self.folder.rglob("site-packages"))

    def forget_bytecode(self) -> None:
        """Deletes all bytecode of the packages."""
        for folder in list(self.site().rglob("__pycache__")):
            shutil.rmtree(folder)

    def sizes(self) -> Counter[str]:
        """The bytes of each package, and together of bytecode under ".pyc"."""
        sizes: Counter[str] = Counter()
        for path in self.site().rglob("*"):
            if path.is_file():
                size = path.stat().st_size
                sizes[path.relative_to(self.site()).parts[0]] += size
                sizes[".pyc"] += size * (path.suffix == ".pyc")
        return sizes


def run(words: Sequence[str], **options) -> float:
    """Runs a command and returns the seconds that it took. Exits if the command fails."""
    started = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", **options)
    if done.returncode:
        sys.exit(f"{' '.join(words[:6])} … failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def used_by(words: Sequence[str], home: Path, uses: list[dict] | None = None) -> float:
    """Runs a command in an empty folder, with that as the home.

    Args:
        words: the command.
        home: the folder.
        uses: gets the CPU seconds and the peak memory in MB of the process. The peak is that of this process,
            if that is higher; so nothing large may be imported here before.

    Returns:
        The seconds that it took.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"HOME": str(home), "POET_CACHE": str(home / "cache")}
    if words[0] == sys.executable:
        environment["PYTHONPATH"] = str(ROOT)
    started = time.perf_counter()
    process = subprocess.Popen(words, cwd=home, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(words[:4])} … failed")
    if uses is not None:
        peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, KiB on Linux
        uses.append({"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mb": peak * 1.024})
    return seconds


def build(folder: Path) -> Path:
    """Builds the wheel as a new user would, from the source distribution."""
    run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_by_pip(folder: Path, wheel: Path, packages: Path, *options: str) -> tuple[Environment, float]:
    """A new environment with the wheel, and the seconds that pip took to install it."""
    environment = Environment(folder)
    pip = [*PIP, "--python", environment.python, "install", "--no-index", "--find-links", str(packages)]
    return environment, run([*pip, *options, str(wheel)])


def install_by_uv(folder: Path, wheel: Path, packages: Path) -> float | None:
    """The seconds that uv takes to install the wheel without a cache; None if uv cannot be had."""
    tools = folder / "uv-tool"
    found = shutil.which("uv")
    if not found:
        got = subprocess.run([*PIP, "install", "--target", str(tools), "uv"], capture_output=True)
        found = str(tools / "bin" / "uv") if not got.returncode else None
    if not found:
        return None
    environment = Environment(folder / "uv-environment")
    uv = [found, "pip", "install", "-q", "--no-cache", "--python", environment.python, "--no-index"]
    return run([*uv, "--find-links", str(packages), str(wheel)])


def measure_installation(folder: Path) -> tuple[dict, Environment]:
    """The figures of the installation, and an environment without bytecode."""
    wheel = build(folder / "built")
    packages = folder / "packages"
    downloading = run([*PIP, "download", "--no-cache-dir", "--dest", str(packages), str(wheel)])
    compiled, seconds = install_by_pip(folder / "compiled", wheel, packages)
    plain, plain_seconds = install_by_pip(folder / "plain", wheel, packages, "--no-compile")
    sizes = compiled.sizes()
    bytecode = sizes.pop(".pyc")
    figures = {
        "wheel_mb": wheel.stat().st_size / MB,
        "downloads_mb": sum(path.stat().st_size for path in packages.iterdir()) / MB,
        "download_seconds": downloading,
        "pip_seconds": seconds,
        "pip_seconds_without_bytecode": plain_seconds,
        "uv_seconds": install_by_uv(folder, wheel, packages),
        "installed_mb": sizes.total() / MB,
        "installed_mb_without_bytecode": (sizes.total() - bytecode) / MB,
        "distributions": len(list(compiled.site().glob("*.dist-info"))),
        "largest_mb": {name: size / MB for name, size in sizes.most_common(8)},
    }
    return figures, plain


def measure_writing(plain: Environment, home: Path, rounds: int) -> dict:
    """The figures of the first poem: cold in a third of the rounds, then warm beside the same by torch."""
    write = [plain.poet, "write", "春", "--seed", "7"]
    cold = []
    for _ in range(max(1, rounds // 3)):
        plain.forget_bytecode()
        cold.append(used_by(write, home))
    torch = [sys.executable, "-c", "import torch"]
    poem = [sys.executable, "-c", f"import poet_model; print({POEM})"]
    uses: dict[str, list[dict]] = {WRITE: [], IMPORT_TORCH: [], BY_TORCH: []}
    contenders = {
        name: partial(lambda words, name, _: used_by(words, home, uses[name]), words, name)
        for name, words in zip(uses, (write, torch, poem), strict=True)
    }
    seconds = interleaved(contenders, rounds)
    warm = {
        name: {"seconds": summary(seconds[name])}
        | {figure: summary([use[figure] for use in uses[name]]) for figure in ("cpu_seconds", "peak_mb")}
        for name in uses
    }
    return {"cold_seconds": summary(cold), "warm": warm}


def report(record: dict) -> None:
    """Prints the figures."""
    rows = [
        [name, "not measured" if value is None else f"{value:.1f}", str(GOALS.get(name, ""))]
        for name, value in record["installation"].items()
        if not isinstance(value, dict)
    ]
    show(f"Installation, {record['where']}", ["", "figure", "goal: under"], rows)
    largest = record["installation"]["largest_mb"]
    print("  MB, with bytecode: " + ", ".join(f"{name} {size:.1f}" for name, size in largest.items()))
    writing = record["writing"]
    goal = str(GOALS["write_seconds"])
    rows = [[f"{WRITE}, cold", f"{writing['cold_seconds']['median']:.2f}", "", "", goal]]
    for name, figures in writing["warm"].items():
        cells = [f"{figures[figure]['median']:.2f}" for figure in ("seconds", "cpu_seconds")]
        rows.append([name, *cells, f"{figures['peak_mb']['median']:.0f}", goal if name == WRITE else ""])
    show("One poem, medians", ["", "seconds", "CPU seconds", "peak MB", "goal: under, s"], rows)


@command
def main() -> None:
    """Measures, prints the tables and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="warm poems (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="install-") as name:
        folder, home = Path(name), Path(name) / "home"
        home.mkdir()
        installation, plain = measure_installation(folder)
        writing = measure_writing(plain, home, options.rounds)
    from poet_model.machine import machine  # imports torch

    record = {
        "what": "an installation of the wheel, in MB of 10^6 bytes and seconds",
        "where": f"{machine()}, Python {sys.version.split()[0]}",
        "installation": installation,
        "writing": writing,
    }
    report(record)
    finish(record, options.json)


if __name__ == "__main__":
    sys.exit(main())
