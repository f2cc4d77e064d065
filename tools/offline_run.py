"""Run: one call of offline_train.py, with its folders, its clock and its report. It does no training."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from offline_contents import Bundle
from offline_pieces import REPORT_NAME, put

from poet_model.errors import InvalidValueError


@dataclass
class Run:
    """One call: its bundle, its folders, and what it has found out so far.

    Attributes:
        work: folder for all that need not come back.
        staging: a folder on `output`'s file system, to write files before moving them there.
        report: what REPORT_NAME says.
    """

    options: argparse.Namespace
    bundle: Bundle
    output: Path
    work: Path
    staging: Path
    started: float
    report: dict = field(default_factory=dict)

    @property
    def end(self) -> float:
        """The value of time.monotonic() by which everything must be finished."""
        return self.started + 60 * self.options.minutes

    def say(self, text: str) -> None:
        """Tells the person, with the minutes since the start."""
        print(f"{(time.monotonic() - self.started) / 60:5.2f} min  {text}", flush=True)

    def save_report(self) -> None:
        """Writes the report, as far as it is known, into OUT."""
        text = json.dumps(self.report, ensure_ascii=False, indent=2) + "\n"
        put(self.output / REPORT_NAME, text.encode("utf-8"), self.staging)

    def spend(self, phase: str, since: float) -> None:
        """Notes how long a phase took."""
        self.report.setdefault("minutes", {})[phase] = round((time.monotonic() - since) / 60, 2)


@contextlib.contextmanager
def folders(output: Path) -> Iterator[tuple[Path, Path]]:
    """A work folder, removed at the end, and a staging folder on the file system of `output`.

    If possible the work folder is next to `output`, on its file system. Then files can be staged outside
    `output`, so a killed run leaves no half-written file among those that are brought back.

    Raises:
        InvalidValueError: `output` cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValueError(
            f"--output {output} cannot be made ({error.strerror}); give another"
        ) from error
    output = output.resolve()
    work = output.parent / f".{output.name}.work"
    is_beside = os.access(output.parent, os.W_OK) and output.parent.stat().st_dev == output.stat().st_dev
    if is_beside:
        shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
        work.mkdir()
    else:
        work = Path(tempfile.mkdtemp(prefix="offline-"))
    staging = work / "staging" if is_beside else output / ".staging"
    staging.mkdir(exist_ok=True)
    try:
        yield work, staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
