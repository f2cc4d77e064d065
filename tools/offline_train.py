"""Trains on a machine without a network, in the minutes there are, with what tools/offline_bundle.py gathered.

    python tools/offline_train.py --bundle bundle --minutes 3 --output OUT --preflight-only   # what can it do?
    python tools/offline_train.py --bundle bundle --minutes 8 --output OUT

First Song and Tang mixed, then Tang alone; OUT holds the best model so far at every moment, in pieces that
tools/offline_unpack.py puts together.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from offline_contents import Bundle, read_bundle
from offline_pieces import INDEX_NAME, REPORT_NAME, ROOT, put, read_index
from offline_preflight import (
    RAM_BYTES,
    RAM_BYTES_PER_CHARACTER,
    SECONDS,
    check_memory,
    child_environment,
    free_memory,
    install_wheels,
    one_of,
    probe,
    versions,
)
from offline_probe import STAGES, fastest
from offline_stage import Stage
from offline_unpack import unpack

from poet_model.errors import CheckpointError, InvalidValueError, PoetError
from poet_model.files import read_json

PRESETS = Path(__file__).with_name("offline_presets")
SHARE = 0.55  # of the training time for the first stage
EVALUATIONS = 20  # a stage, where they take little of it
EVALUATING = 0.15  # the most of a stage's time that they may take
LOG_LINES = 200  # a stage
MANY_EPOCHS = 1000  # so that time ends a stage
LEAST = 3.0  # seconds of training without which there is no point in a stage


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `None` means sys.argv."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--bundle", type=Path, default=Path("bundle"), help="what tools/offline_bundle.py made")
    add("--minutes", type=float, required=True, help="all must be over by then, counted from the start")
    add("--output", type=Path, required=True, metavar="OUT", help="folder of the pieces and of the report")
    add("--init-from", metavar="MODEL", help="start from this model, such as one unpacked from an earlier OUT")
    add("--preset", type=Path, metavar="FILE", help="like tools/offline_presets/gpu.json (default: by machine)")
    add("--preflight-only", action="store_true", help="only find out what this machine can do")
    return parser.parse_args(arguments)


class Stopped(Exception):
    """A signal asked to stop; `number` says which."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class Run:
    """One call: its bundle, its folders, and what it has found out so far.

    Attributes:
        work: folder for all that need not come back.
        staging: folder of output's file system.
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
        """When all must be over, of time.monotonic()."""
        return self.started + 60 * self.options.minutes

    def say(self, text: str) -> None:
        """Tells the person, with the minutes since the start."""
        print(f"{(time.monotonic() - self.started) / 60:5.2f} min  {text}", flush=True)

    def save_report(self) -> None:
        """Writes what is known to OUT."""
        text = json.dumps(self.report, ensure_ascii=False, indent=2) + "\n"
        put(self.output / REPORT_NAME, text.encode("utf-8"), self.staging)

    def spend(self, phase: str, since: float) -> None:
        """Notes how long a phase took."""
        self.report.setdefault("minutes", {})[phase] = round((time.monotonic() - since) / 60, 2)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    started = time.monotonic()

    def stop(number: int, frame) -> None:
        raise Stopped(number)

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        bundle = read_bundle(options.bundle)
        check_options(options, bundle)
        with folders(options.output) as (work, staging):
            run = Run(options, bundle, options.output, work, staging, started, {"bundle": bundle.identity})
            everything(run)
        return 0
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"stopped by {stopped}; {options.output} holds the best model so far", file=sys.stderr)
        return 128 + stopped.number
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def check_options(options: argparse.Namespace, bundle: Bundle) -> None:
    """Raises InvalidValueError for what cannot be done."""
    if not 0 < options.minutes < math.inf:
        raise InvalidValueError(f"--minutes must be above 0, got {options.minutes}; 8 are enough on a GPU")
    if options.output.exists() and not options.output.is_dir():
        raise InvalidValueError(f"--output {options.output} is a file; give a folder")
    index = read_index(options.output)
    if index and index.get("bundle") != bundle.identity:
        raise InvalidValueError(
            f"{options.output} holds a model of another bundle ({INDEX_NAME}), whose losses do not compare; "
            "give a new folder"
        )
    if options.preset:
        load_presets(options.preset)


def load_presets(path: Path) -> dict[str, dict]:
    """Settings by stage; what they mean for a model is checked by the probe."""
    presets = read_json(path, dict)
    parts = {"about", "model", "training"}
    if presets.keys() != set(STAGES) or not all(
        isinstance(preset, dict)
        and preset.keys() <= parts
        and all(isinstance(preset.get(part), dict) for part in ("model", "training"))
        for preset in presets.values()
    ):
        raise InvalidValueError(
            f"--preset {path} must hold {' and '.join(STAGES)}, each with model and training; "
            "see tools/offline_presets/gpu.json"
        )
    return presets


@contextlib.contextmanager
def folders(output: Path) -> Iterator[tuple[Path, Path]]:
    """A work folder, removed at the end, and a staging folder on the file system of `output`.

    The work folder lies beside `output` where that is the same file system; only there may files be staged
    without being among those that come back after a kill.

    Raises:
        InvalidValueError: `output` cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValueError(f"--output {output} cannot be made ({error.strerror}); give another") from error
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


def everything(run: Run) -> None:
    """Preflight, both stages, the end."""
    findings, paths, presets = preflight(run)
    run.save_report()
    if run.options.preflight_only:
        return
    plan = Plan(run, findings)
    init_from = run.options.init_from
    for stage in STAGES:
        began = time.monotonic()
        folder = train(run, plan, stage, presets[stage], paths, init_from)
        run.spend(f"stage {stage}", began)
        run.save_report()
        if (folder / "config.json").is_file():
            init_from = str(folder)
    if read_index(run.output) is None:
        raise CheckpointError(f"no model came of it ({run.report['stages'][STAGES[-1]]['ended']}); nothing was saved")
    finish(run, paths)


def preflight(run: Run) -> tuple[list[dict], dict[str, Path], dict]:
    """What this machine can do; also the findings, the corpora's paths, and the presets for it."""
    began, deadline = time.monotonic(), time.time() + min(SECONDS, 20 * run.options.minutes)
    site = run.work / "site"
    site.mkdir()
    needed = RAM_BYTES + RAM_BYTES_PER_CHARACTER * sum(map(run.bundle.characters, ("tang", "song")))
    check_memory(free_memory(), needed, "RAM")
    if installed := install_wheels(run.bundle, site):
        run.say(f"installed from the bundle: {', '.join(installed)}")
    run.report["versions"] = versions(site)
    run.say(", ".join(f"{name} {version or 'missing'}" for name, version in run.report["versions"].items()))
    paths = run.bundle.extract(run.work)
    preset = run.options.preset
    by_machine = {name: load_presets(preset or PRESETS / f"{name}.json") for name in ("gpu", "cpu")}
    settings = {"corpus": str(paths["tang"]), "presets": by_machine, "results": str(run.work / "probe.jsonl")}
    findings = probe(settings, site, deadline, run.say)
    machine = one_of(findings, "machine", {})
    for stage in STAGES:
        run.report.setdefault("choice", {})[stage] = choice = fastest(findings, stage) or fastest(findings)
        run.say(
            f"stage {stage}: {choice['precision']}, {choice['rows']} rows, {choice['tokens_per_second']:,} tokens/s"
        )
    run.report["preflight"] = [one for one in findings if one["kind"] != "begin"]
    kernels = [one for one in findings if one["kind"] == "kernels" and "lstm" in one]
    for one in kernels[:1]:
        run.say(f"kernels of the LSTM: {'; '.join(one['lstm'][:3]) or 'none by that name'}")
    free = free_memory()
    run.say(
        f"{machine.get('gpu') or 'CPU'}, {machine.get('gpu_free_mb', 0):,} MiB of it free; "
        f"RAM free: {'unknown' if free is None else f'{free >> 20:,} MiB'}"
    )
    run.spend("preflight", began)
    return findings, paths, by_machine["gpu" if machine.get("gpu") else "cpu"]


class Plan:
    """How the minutes that are left are divided.

    Args:
        run: says when all must be over.
        findings: of the preflight.
    """

    def __init__(self, run: Run, findings: list[dict]):
        self.run = run
        loaded = one_of(findings, "loaded", {"import_seconds": 15.0, "load_seconds": 5.0})
        writing = one_of(
            findings,
            "writing",
            {"scored_tokens_per_second": 2000, "poem_seconds": 1.0, "save_seconds": 1.0},
        )
        self.import_seconds = 1.5 * loaded["import_seconds"]
        self.seconds_a_character = 2 * loaded["load_seconds"] / run.bundle.characters("tang")
        corpora = run.bundle.manifest["corpora"]
        valid = corpora["tang"]["characters"]["valid"]
        self.evaluation = valid / writing["scored_tokens_per_second"] + writing["save_seconds"]
        self.evaluation += 3 * writing["poem_seconds"]  # train.py writes three each time it saves
        test = corpora["tang"]["characters"]["test"] if "tangshi_gpt" not in run.bundle.manifest else 0
        test = run.bundle.manifest.get("tangshi_gpt_characters", test)
        self.reserve = (
            5
            + self.start_up("tang")
            + 1.5 * (valid + test) / writing["scored_tokens_per_second"]
            + 12 * writing["poem_seconds"]
        )

    def start_up(self, *corpora: str) -> float:
        """Seconds until a training on these corpora makes its first step."""
        return self.import_seconds + self.seconds_a_character * sum(map(self.run.bundle.characters, corpora))

    def seconds(self, stage: str) -> tuple[float, float]:
        """Seconds of training for a stage that starts now, and when it must be over at the latest.

        Raises:
            InvalidValueError: no time is left for it.
        """
        left = self.run.end - self.reserve - time.monotonic() - self.evaluation - self.start_up("tang")
        latest = self.run.end - self.reserve
        if stage == STAGES[0]:
            left = SHARE * (left - self.evaluation - self.start_up("tang", "song"))
            latest -= self.start_up("tang") + (1 - SHARE) / 2 * left / SHARE
        return left, latest
