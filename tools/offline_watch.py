"""Runs offline_probe.py to its end, even if a trial in it crashes or hangs. Standard library only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offline_findings import fastest, key_of
from offline_machine import GPU_BYTES, check_memory, child_environment
from offline_pieces import ROOT

from poet_model.errors import InvalidValueError
from poet_model.files import append_json_line, read_json_lines

PROBE = Path(__file__).with_name("offline_probe.py")
SILENCE = {"gpu": 10.0, "cpu": 20.0}  # a trial that exceeds its time by this many seconds is considered hung
LOADING = 40.0  # the most seconds for importing torch and reading the poems
MOST_FAILURES = 4  # after this many failures, the cause is not a single trial


@dataclass
class ProbeWatch:
    """Runs a probe, and starts it again after a trial that crashes or hangs.

    Args:
        settings: `corpus`, `presets` and `results` (the path of the findings; a log is written beside it).
        site: the folder of the installed wheels.
        deadline: the time.time() at which measuring stops; what has been measured by then must suffice.
        say: tells the person what failed.
        script: the probe, with the command line of offline_probe.py.
        silence: the seconds, on a `gpu` and on a `cpu`, by which a trial may exceed its time.
    """

    settings: dict
    site: Path
    deadline: float
    say: Callable[[str], None]
    script: Path = PROBE
    silence: Mapping[str, float] = field(default_factory=SILENCE.copy)

    def run(self) -> list[dict]:
        """Return the findings.

        Raises:
            InvalidValueError: not one training step could be made; the message says why.
        """
        failures, began = 0, time.time()
        while time.time() < self.deadline and failures < MOST_FAILURES:
            reason = self._run_once()
            findings = read_json_lines(self.results)
            last = findings[-1] if findings else {"kind": "nothing"}
            if last["kind"] in ("done", "refused"):
                break
            if reason is None:
                self._check_that_some_were_timed(findings, self.deadline - began)
                break
            failures += 1
            if not self._note(last, f"{reason} ({self._last_line()})"):
                break
        return check_findings(read_json_lines(self.results), self._last_line(), self.say)

    @property
    def results(self) -> Path:
        """The file of findings."""
        return Path(self.settings["results"])

    @property
    def log(self) -> Path:
        """What the probe prints."""
        return self.results.with_suffix(".log")

    def _run_once(self) -> str | None:
        """Run one process; return why it ended, or None if the time was up."""
        path = self.results.with_name("probe.json")
        text = json.dumps(self.settings | {"deadline": self.deadline, "spawned": time.time()})
        path.write_text(text, encoding="utf-8")
        with open(self.log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(self.script), str(path)],
                env=child_environment(self.site),
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                return self._wait(process, time.time())
            finally:
                process.kill()
                process.wait()

    def _wait(self, process: subprocess.Popen, began: float) -> str | None:
        """Wait for a process that started at `began`; return why it ended, or None if the time was up."""
        while process.poll() is None:
            time.sleep(0.1)
            now = time.time()
            if now > self.deadline:
                return None
            findings = read_json_lines(self.results)
            last = findings[-1] if findings else {"kind": "nothing"}
            silent = now - max(began, self.results.stat().st_mtime if findings else began)
            on_gpu = any(one["kind"] == "machine" and one["gpu"] for one in findings)
            allowed = last.get("seconds", 0) + self.silence["gpu" if on_gpu else "cpu"]
            if silent > (allowed if last["kind"] == "begin" else LOADING):
                return f"it hung for {silent:.0f} seconds"
        return f"it ended with exit status {process.returncode}"

    def _note(self, last: dict, reason: str) -> bool:
        """Note why a process ended after its `last` finding; return whether another one makes sense."""
        if last["kind"] != "begin":
            self.say(f"the probe failed: {reason}")
            return True
        if "profiled" in last:  # the trials are over, the profiler comes last
            self.say(f"the profiler failed: {reason}")
            return False
        append_json_line(
            self.results, last | {"kind": "trial", "failed": reason}
        )  # so the next probe skips it
        return True

    def _last_line(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        lines = text.strip().splitlines()
        return lines[-1][:300] if lines else "none"

    @staticmethod
    def _check_that_some_were_timed(findings: Sequence[dict], seconds: float) -> None:
        if not any(one["kind"] == "trial" for one in findings):
            raise InvalidValueError(
                f"the preflight had {max(0.0, seconds):.0f} seconds left for training steps, and not "
                "one of them could be timed; give more --minutes: 3 are enough"
            )


def check_findings(findings: list[dict], last_line: str, say: Callable[[str], None]) -> list[dict]:
    """Tell what failed; return the findings.

    Args:
        last_line: the last line that the probe printed, for the error.

    Raises:
        InvalidValueError: no training is possible here; the message says why.
    """
    machine = next((one for one in findings if one["kind"] == "machine"), {})
    if machine and not machine["gpu"]:
        say("CUDA is not available: the run continues on the CPU")
    for finding in findings:
        if finding["kind"] == "refused":
            raise InvalidValueError(f"--preset: {finding['message']}")
        if finding["kind"] in ("trial", "kernels") and "failed" in finding:
            stage, precision, rows = key_of(finding)
            say(f"{precision}, {rows} rows, {stage}: {finding['failed']}; this trial is skipped")
    if fastest(findings) is None:
        if machine.get("gpu"):
            check_memory(machine["gpu_free_mb"] << 20, GPU_BYTES, "GPU memory")
        raise InvalidValueError(
            f"no training step could be made here (last output: {last_line}); check that torch and the other "
            "packages in requirements.txt work"
        )
    return findings
