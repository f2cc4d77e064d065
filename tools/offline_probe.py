"""Probe: tries precisions and batch sizes, the most promising first, until its time is up.

It runs in a process of its own and appends each finding to a file at once, so that a crash or a hang loses
only the trial that caused it, and another probe can go on after it. offline_findings.py lists the kinds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline_bench import Bench
from offline_findings import Key, key_of, sound_trials

from poet_model.errors import PoetError
from poet_model.files import append_json_line, read_json_lines
from poet_model.terminal import on_any_terminal

TRIAL_SECONDS = 8.0  # at most
MIXED_SHARE, TANG_SHARE = 0.5, 0.6  # of the time that is left when a stage's trials begin
KERNEL_SECONDS = 2  # profiling begins only while so much time is left


@dataclass
class Probe:
    """The trials of one process.

    Args:
        bench: makes the trials.
        results: the file of findings, which may hold those of an earlier process.
        deadline: the time.time() at which the probe must be done.
        trial_seconds: the most seconds that a trial may take.
    """

    bench: Bench
    results: Path
    deadline: float
    trial_seconds: float = TRIAL_SECONDS

    def run(self) -> None:
        """Make all trials that have no finding yet."""
        self.add("machine", **self.bench.start())
        self.add("loaded", **self.bench.load())
        device = self.bench.device
        keys = [("mixed", precision, rows) for precision in device.precisions for rows in device.rows]
        self._try_all(keys, MIXED_SHARE)
        self.add("writing", **self.bench.writing())
        by_speed = [key_of(one) for one in sound_trials(self.findings(), "mixed")]
        self._try_all([("tang", *key[1:]) for key in by_speed], TANG_SHARE)
        for key in by_speed if self.bench.on_gpu else by_speed[:1]:
            if time.time() < self.deadline - KERNEL_SECONDS:
                self.add("begin", **_named(key), profiled=True)
                self.add("kernels", **_named(key), **self.bench.kernels(key))
        self.add("done")

    def findings(self) -> list[dict]:
        """The findings so far, those of an earlier process included."""
        return read_json_lines(self.results)

    def add(self, kind: str, **finding) -> None:
        """Append a finding to the file."""
        append_json_line(self.results, {"kind": kind, **finding})

    def _try_all(self, keys: Sequence[Key], share: float) -> None:
        """Make the trials that are still to be made, within a share of the time that is left."""
        tried = {key_of(one) for one in self.findings() if one["kind"] == "trial"}
        keys = [key for key in keys if key not in tried]
        until = time.time() + share * (self.deadline - time.time())
        for index, key in enumerate(keys):
            seconds = min(self.trial_seconds, (until - time.time()) / (len(keys) - index))
            if seconds <= 0:
                self.add("trial", **_named(key), failed="no time was left for it")
                continue
            self.add("begin", **_named(key), seconds=round(seconds, 1))
            try:
                self.add("trial", **_named(key), **self.bench.trial(*key, seconds))
            except PoetError:
                raise
            except (RuntimeError, ValueError, NotImplementedError) as error:  # out of memory is one of them
                reason = str(error).strip().split("\n")[0][:300] or type(error).__name__
                self.add("trial", **_named(key), failed=reason)


def _named(key: Key) -> dict:
    return dict(zip(("stage", "precision", "rows"), key, strict=True))


@on_any_terminal
def main(
    arguments: list[str] | None = None,
    *,
    make_bench: Callable[..., Bench] = Bench,
    trial_seconds: float = TRIAL_SECONDS,
) -> int:
    """Called by offline_watch.py with the path of the settings; returns the exit status.

    Args:
        make_bench: takes the arguments of Bench.
    """
    (path,) = sys.argv[1:] if arguments is None else arguments
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    bench = make_bench(settings["corpus"], settings["presets"], settings["spawned"])
    probe = Probe(bench, Path(settings["results"]), settings["deadline"], trial_seconds)
    try:
        probe.run()
    except (PoetError, TypeError) as error:  # TypeError: an unknown name in a preset
        probe.add("refused", message=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
