"""One stage of an offline training: runs train.py, and publishes each model that is the best so far."""

from __future__ import annotations

import contextlib
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from offline_pieces import ROOT, pack, publish, read_index

from poet_model.errors import CheckpointError
from poet_model.files import read_json_lines
from poet_model.folders import read_steadily
from poet_model.model_folder import LOG_NAME, SAMPLES_NAME

TRAIN = ROOT / "train.py"
GRACE = 20.0  # seconds that a training has to save itself when it is asked to stop
POLL = 0.3  # seconds
SILENCE = 20.0  # seconds, after which the person is told how far it is


@dataclass
class Stage:
    """A training and where its models go.

    Args:
        name: for people, and in the index of the pieces.
        options: options of train.py, without --output. Paths are relative to the parent of `folder`, so that
            the commands published with a model reveal no path of this machine.
        folder: the output folder of the training.
        output: where the pieces of the best model of all stages are.
        staging: a folder of output's file system (see offline_pieces.put).
        bundle: identity of the bundle, for the index.
        environment: the environment variables of the process.
        say: tells the person.
        script: the training script, with the command line of train.py.
        poll: seconds between two looks at the training.
        silence: seconds without news after which the person is told how far it is.
    """

    name: str
    options: list[str]
    folder: Path
    output: Path
    staging: Path
    bundle: str
    environment: dict[str, str]
    say: Callable[[str], None]
    script: Path = TRAIN
    poll: float = POLL
    silence: float = SILENCE
    published: int = 0
    start_up: float | None = None
    peak_mb: int | None = None
    _told: int = field(default=0, repr=False)
    _spoke: float = field(default=0.0, repr=False)  # when, of time.monotonic()
    _spoke_of: int = field(default=0, repr=False)  # the last step whose speed was told

    def run(self, until: float) -> dict:
        """Runs the training until it ends or time.monotonic() passes `until`; returns a report on it.

        Raises:
            CheckpointError: there is no more room for the model in `output`; the training is ended.
        """
        began = time.monotonic()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(self.script), *self.options, "--output", self.folder.name]
        ended = "ended"
        with open(self.log, "wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder.parent, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                while process.poll() is None:
                    time.sleep(self.poll)
                    self._watch(process.pid, began)
                    if time.monotonic() > until:
                        ended = "was ended: its time was over"
                        break
            finally:  # a training that is stopped leaves a model, too
                stop(process)
                self._watch(None, began, is_whole=process.returncode == 0)
        if ended == "ended" and process.returncode:
            ended = f"failed with exit status {process.returncode} ({self.last_words()})"
        if ended != "ended":
            kept = "what was saved before is used" if read_index(self.output) else "no model was saved yet"
            self.say(f"stage {self.name} {ended}; {kept}")
        return self.report() | {"ended": ended, "minutes": round((time.monotonic() - began) / 60, 2)}

    @property
    def log(self) -> Path:
        """What train.py prints."""
        return self.folder.with_suffix(".log")

    def last_words(self) -> str:
        """The last line that train.py printed, without its progress bar."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        lines = [
            line
            for line in re.split(r"[\r\n]+", text)
            if line.strip() and "%|" not in line and "% |" not in line
        ]
        return lines[-1].strip()[:300] if lines else "it said nothing"

    def report(self) -> dict:
        """Figures of the training so far."""
        log = read_json_lines(self.folder / LOG_NAME)
        train, valid = ([one for one in log if one.get("split") == part] for part in ("train", "valid"))
        speeds = [one["tokens_per_second"] for one in train if "tokens_per_second" in one]
        gpu = [one["gpu_memory_mb"] for one in train if "gpu_memory_mb" in one]
        return {
            "steps": log[-1]["step"] if log else 0,
            "epochs": log[-1]["epoch"] if log else 0.0,
            "tokens_per_second": round(statistics.median(speeds)) if speeds else None,
            "gpu_memory_mb": max(gpu) if gpu else None,
            "resident_mb": self.peak_mb,
            "start_up_seconds": round(self.start_up, 1) if self.start_up is not None else None,
            "validation": [[one["step"], one["minutes"], one["loss"]] for one in valid],
        }

    def _watch(self, pid: int | None, began: float, is_whole: bool = False) -> None:
        """Tells of new validations, notes memory and start-up, and publishes the model if it is the best."""
        if pid is not None:
            self.peak_mb = resident_peak(pid) or self.peak_mb
        log = read_json_lines(self.folder / LOG_NAME)
        if log and self.start_up is None:
            self.start_up = time.monotonic() - began - 60 * log[0]["minutes"]
            self._tell(f"trains: its first step began after {self.start_up:.0f} seconds")
        valid = [one for one in log if one.get("split") == "valid"]
        for one in valid[self._told :]:
            self._tell(f"step {one['step']}: validation perplexity {one['perplexity']:.2f}")
        self._told = len(valid)
        latest = next((one for one in reversed(log) if "tokens_per_second" in one), {"step": 0})
        if latest["step"] > self._spoke_of and time.monotonic() > self._spoke + self.silence:
            self._tell(f"step {latest['step']}: {latest['tokens_per_second']:,} tokens/s")
            self._spoke_of = latest["step"]
        if valid:
            self._publish(min(valid, key=lambda one: one["loss"]), is_whole)

    def _tell(self, text: str) -> None:
        self.say(f"stage {self.name}, {text}")
        self._spoke = time.monotonic()

    def _publish(self, best: dict, is_whole: bool = False) -> None:
        """Publishes the model in the folder, if it is better than the one in `output`.

        Args:
            best: the log's record of the best validation.
            is_whole: whether the training ended normally; then the model is published once more, with the
                files written last.
        """
        before = read_index(self.output)
        if before and best["loss"] >= before["validation_loss"]:
            ours = before["stage"] == self.name and before["step"] == best["step"] and self.published
            if not (is_whole and ours):
                return
        # train.py logs a validation, saves, then writes poems: without these the folder is older
        if not self._holds(best):
            return
        try:
            archive = read_steadily(self.folder, lambda: pack(self.folder))
        except CheckpointError:  # the folder is being replaced; the next check will find it
            return
        if self._holds(best):
            record = {name: best[name] for name in ("step", "epoch", "minutes")}
            record |= {"stage": self.name, "validation_loss": best["loss"], "bundle": self.bundle}
            publish(self.output, archive, record, self.staging)
            self.published += 1

    def _holds(self, best: dict) -> bool:
        samples = read_json_lines(self.folder / SAMPLES_NAME)
        return bool(samples) and samples[-1].get("step") == best["step"]


def stop(process: subprocess.Popen) -> None:
    """Stops a process: asks it first, so that it can save, and kills it if that takes too long."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        process.kill()
    process.wait()


def resident_peak(pid: int) -> int | None:
    """The most MiB of RAM that a process has held; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    return None
