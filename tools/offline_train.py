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
from offline_plan import Plan
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
from poet_model.files import read_json, read_json_lines

PRESETS = Path(__file__).with_name("offline_presets")
CORPORA = {"mixed": ("tang", "song"), "tang": ("tang",)}  # by stage; validated on the first
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
    add(
        "--init-from", metavar="MODEL", help="start from this model, such as one unpacked from an earlier OUT"
    )
    add(
        "--preset",
        type=Path,
        metavar="FILE",
        help="like tools/offline_presets/gpu.json (default: by machine)",
    )
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


def everything(run: Run) -> None:
    """Preflight, both stages, the end."""
    findings, paths, presets = preflight(run)
    run.save_report()
    if run.options.preflight_only:
        return
    plan = Plan.of(findings, run.bundle, CORPORA, run.end)
    plan.check(run.options.minutes)
    init_from = run.options.init_from
    for stage in STAGES:
        began = time.monotonic()
        folder = train(run, plan, stage, presets[stage], paths, init_from)
        run.spend(f"stage {stage}", began)
        run.save_report()
        if (folder / "config.json").is_file():
            init_from = str(folder)
    if read_index(run.output) is None:
        raise CheckpointError(
            f"no model came of it ({run.report['stages'][STAGES[-1]]['ended']}); nothing was saved"
        )
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
    run.report["gpu"] = machine.get("gpu")
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


def train(
    run: Run, plan: Plan, name: str, preset: dict, paths: dict[str, Path], init_from: str | None
) -> Path:
    """Runs one stage in the time that is left for it; the folder of its training."""
    folder = run.work / f"stage-{name}"
    seconds, until = plan.share(name)
    stages = run.report.setdefault("stages", {})
    if seconds < LEAST:
        run.say(f"stage {name}: {max(0, seconds):.0f} seconds are left for it, so it is left out")
        stages[name] = {"ended": "no time was left for it"}
        return folder
    choice = run.report["choice"][name]
    preset = preset | {"training": preset["training"] | plan.rhythm(seconds, choice)}
    path = run.work / f"{name}.json"
    path.write_text(json.dumps(preset), encoding="utf-8")
    corpus = "+".join(str(paths[part]) for part in CORPORA[name])
    options = ["--preset", str(path), "--corpus", corpus, "--max-minutes", f"{seconds / 60:.4f}"]
    options += ["--precision", choice["precision"], "--no-measure"]
    options += ["--init-from", init_from] if init_from else []
    options += [] if run.report["gpu"] else ["--cpu"]
    run.say(
        f"stage {name}: {seconds / 60:.1f} minutes of training, until {(until - run.started) / 60:.1f} at the most"
    )
    environment = child_environment(run.work / "site")
    stage = Stage(name, options, folder, run.output, run.staging, run.bundle.identity, environment, run.say)
    stages[name] = stage.run(until)
    if stage.start_up is not None:
        plan.learn(CORPORA[name], stage.start_up)
    return folder


def finish(run: Run, paths: dict[str, Path]) -> None:
    """Measures the best model, as it lies in OUT, and says everything."""
    began = time.monotonic()
    model = run.work / "best"
    index = unpack(run.output, model)
    run.report["best"] = {name: index[name] for name in ("stage", "step", "validation_loss")}
    command = [sys.executable, str(Path(__file__).with_name("offline_measure.py")), str(model)]
    command += [str(paths[name]) for name in ("tang", "tangshi_gpt") if name in paths]
    results, log = run.work / "measured.jsonl", run.work / "measured.log"
    with open(results, "wb") as out, open(log, "wb") as errors:
        environment = child_environment(run.work / "site")
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=errors)
        try:
            process.wait(max(1.0, run.end - 2 - time.monotonic()))
        except subprocess.TimeoutExpired:
            run.say(
                "time is over before everything was measured (python -m poet_model.evaluation makes the rest)"
            )
        finally:
            process.kill()
            process.wait()
    if process.returncode > 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        run.say(f"measuring failed: {lines[-1][:300] if lines else 'it said nothing'}")
    poems = run.report["poems"] = []
    for found in read_json_lines(results):
        poems += [found["poem"]] if "poem" in found else []
        run.report |= {name: value for name, value in found.items() if name != "poem"}
    run.spend("measuring", began)
    run.spend("everything", run.started)
    run.save_report()
    print("\n".join(summary(run.report)), flush=True)


def summary(report: dict) -> list[str]:
    """The end of a run, in lines for people."""
    lines = [f"\n{poem['start']}: {poem['text']}" for poem in report["poems"]]
    best = report["best"]
    lines += [
        "",
        f"best model                     stage {best['stage']}, step {best['step']}",
        f"validation perplexity          {math.exp(min(50, best['validation_loss'])):.2f} (in training)",
    ]
    for name, title in (("validation", "validation, as saved"), ("tangshi_gpt", "tangshi-gpt's protocol")):
        if name in report:
            found = report[name]
            bounds = f"{found['low']:.2f} to {found['high']:.2f}"
            lines.append(f"{title:<30} {found['perplexity']:.2f} ({bounds}; {found['tokens']:,} tokens)")
    for name, stage in report["stages"].items():
        if stage.get("steps"):
            memory = f"RAM {stage['resident_mb']} MiB, GPU {stage['gpu_memory_mb']} MiB at most"
            speed = stage["tokens_per_second"] or 0
            lines.append(f"stage {name:<24} {speed:,} tokens/s, {stage['steps']:,} steps; {memory}")
    for one in (one for one in report["preflight"] if one["kind"] == "kernels" and "dearest" in one):
        what = f"kernels, {one['precision']}, {one['rows']} rows"
        lines.append(f"{what:<30} LSTM: {'; '.join(one['lstm'][:2]) or 'none by that name'}")
        lines += [f"{'':<30} {k['milliseconds']:>8.2f} ms  {k['name'][:70]}" for k in one["dearest"]]
    lines += [f"{'minutes, ' + phase:<30} {minutes:.2f}" for phase, minutes in report["minutes"].items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
