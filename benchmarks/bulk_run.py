"""A run of `poet bulk` as a process of its own, watched from outside: its speed and its memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common import ROOT

from poet_model.bulk.__main__ import BATCH_SIZE
from poet_model.bulk.plan import BLOCKS_A_PART

PAGE_MIB = 4096 / 2**20  # of /proc/PID/statm, which only Linux has


class Watched(NamedTuple):
    """What was seen of a run.

    Attributes:
        whole: poems a second, from the start of the process to its end.
        steady: poems a second, from when there are as many parts as workers to when all parts are there.
        worker_mib_at_first, worker_mib_at_most: the memory of the largest process that the run has begun,
            when the first part is there and at most; 0 where that cannot be seen.
        parent_mib: the memory of the process that began them, at most.
    """

    whole: float
    steady: float
    worker_mib_at_first: float
    worker_mib_at_most: float
    parent_mib: float


def watch(folder: Path, poems: int, workers: int, words: Sequence[str]) -> Watched:
    """Runs `poet bulk` into a new folder. Exits if it fails.

    Args:
        folder: the folder of the poems.
        poems, workers: how many.
        words: further options of the command.
    """
    command = [sys.executable, "-m", "poet_model", "bulk", "--num", str(poems), "--out", str(folder)]
    command += ["--workers", str(workers), "--no-index", *words]
    pipe, started = subprocess.PIPE, time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")
    seen = [(0, started)]  # how many parts there were, and since when
    at_first = at_most = parent = 0.0
    while process.poll() is None:
        parts = len(list((folder / "parts").glob("0*.jsonl")))
        parent = max(parent, mib_of(process.pid))
        if parts > seen[-1][0]:
            seen.append((parts, time.perf_counter()))
            at_most = max(at_most, *map(mib_of, [*children_of(process.pid), 0]))
            at_first = at_first or at_most
        time.sleep(0.01)
    ended = time.perf_counter()
    if process.returncode:
        sys.exit(f"poet bulk failed:\n{process.stderr.read()[-2000:]}")
    first, last = next(one for one in seen if one[0] >= workers), seen[-1]
    steady = (last[0] - first[0]) * BLOCKS_A_PART * BATCH_SIZE / (last[1] - first[1])
    return Watched(poems / (ended - started), steady, at_first, at_most, parent)


def mib_of(pid: int) -> float:
    """The resident memory of a process in MiB; 0 if it cannot be seen."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_MIB
    except (OSError, IndexError):
        return 0.0


def children_of(pid: int) -> list[int]:
    """The processes that a process has begun; none if they cannot be seen."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except OSError:
        return []
