"""Trains on a machine without a network, within a time limit, with the bundle from offline_bundle.py.

    python tools/offline_train.py --bundle bundle --minutes 3 --output OUT --preflight-only
    python tools/offline_train.py --bundle bundle --minutes 8 --output OUT

First Song and Tang mixed, then Tang alone; OUT holds the best model so far at every moment, in pieces that
tools/offline_unpack.py puts together.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from pathlib import Path

from offline_bench import FOR_ACCELERATE
from offline_contents import Bundle, read_bundle
from offline_findings import STAGES
from offline_machine import child_environment
from offline_pieces import INDEX_NAME, read_index
from offline_plan import Plan
from offline_preflight import load_presets, preflight
from offline_report import finish, unpacking
from offline_run import Run, folders
from offline_stage import Stage

from poet_model.command_parser import HelpFormatter
from poet_model.errors import CheckpointError, InvalidValueError, PoetError
from poet_model.terminal import on_any_terminal

CORPORA = {"mixed": ("tang", "song"), "tang": ("tang",)}  # corpora by stage; the first one validates
LEAST = 3.0  # seconds of training without which there is no point in a stage


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `None` means sys.argv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=HelpFormatter)
    add = parser.add_argument
    add("--bundle", type=Path, default=Path("bundle"), help="what tools/offline_bundle.py made")
    add("--minutes", type=float, required=True, help="time limit for everything, counted from the start")
    add("--output", type=Path, required=True, metavar="OUT", help="folder of the pieces and of the report")
    add(
        "--init-from", metavar="MODEL", help="start from this model, such as one unpacked from an earlier OUT"
    )
    add(
        "--preset",
        type=Path,
        metavar="FILE",
        help="a file like tools/offline_presets/gpu.json (default: the one there for this machine)",
    )
    add("--preflight-only", action="store_true", help="only find out what this machine can do")
    return parser.parse_args(arguments)


class Stopped(Exception):
    """A signal asked to stop; `number` says which."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@on_any_terminal
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse_arguments(arguments)
    started, before = time.monotonic(), None

    def stop(number: int, frame) -> None:
        raise Stopped(number)

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        bundle = read_bundle(options.bundle)
        before = check_options(options, bundle)
        with folders(options.output) as (work, staging):
            run = Run(options, bundle, options.output, work, staging, started, {"bundle": bundle.identity})
            everything(run)
        return 0
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # in the work folder, which is next to OUT or in the system's temporary folder
        print(f"error: {error.filename or 'a file'}: {error.strerror}; make room there", file=sys.stderr)
        return 2
    except Stopped as stopped:
        index = read_index(options.output)
        held = "the model of an earlier call, not of this one" if index == before else "the best model so far"
        held = f"{held}{unpacking(options.output)}" if index else "no model yet"
        print(f"stopped by {stopped}; {options.output} holds {held}", file=sys.stderr)
        return 128 + stopped.number
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def check_options(options: argparse.Namespace, bundle: Bundle) -> dict | None:
    """The index of the model that `output` holds already.

    Raises:
        InvalidValueError: an option is invalid, or OUT has a model of another bundle.
    """
    if not 0 < options.minutes < math.inf:
        raise InvalidValueError(f"--minutes must be above 0, got {options.minutes}; 8 are enough on a GPU")
    if options.output.exists() and not options.output.is_dir():
        raise InvalidValueError(f"--output {options.output} is a file; give a folder")
    index = read_index(options.output)
    if index and index.get("bundle") != bundle.identity:
        raise InvalidValueError(
            f"{options.output} has a model trained with another bundle ({INDEX_NAME}), so their losses are "
            "not comparable; give a new folder"
        )
    if options.preset:
        load_presets(options.preset)
    if options.init_from and not (Path(options.init_from) / "model.safetensors").is_file():
        raise InvalidValueError(
            f"--init-from {options.init_from} is not a model folder (it has no model.safetensors); give one "
            "such as assets/tang-lstm"
        )
    return index


def everything(run: Run) -> None:
    """Runs the preflight, both stages and the final measurement."""
    findings, paths, presets = preflight(run)
    run.save_report()
    if run.options.preflight_only:
        return
    plan = Plan.of(findings, run.bundle, CORPORA, run.end)
    plan.check(run.options.minutes)
    if index := read_index(run.output):
        perplexity = math.exp(min(50, index["validation_loss"]))
        run.say(f"OUT already has a model (perplexity {perplexity:.2f}); only a better one will replace it")
    init_from = run.options.init_from and within(run.work, Path(run.options.init_from))
    for stage in STAGES:
        began = time.monotonic()
        folder = train(run, plan, stage, presets[stage], paths, init_from)
        run.spend(f"stage {stage}", began)
        run.save_report()
        if (folder / "config.json").is_file():
            init_from = folder.name
    if read_index(run.output) is None:
        reason = run.report["stages"][STAGES[-1]]["ended"]
        raise CheckpointError(f"no model was saved: stage {STAGES[-1]} {reason}")
    finish(run, paths)


def within(work: Path, model: Path) -> str:
    """Links a model folder into the work folder; returns a path that reveals nothing of this machine."""
    link = work / "start" / model.resolve().name
    link.parent.mkdir()
    link.symlink_to(model.resolve())
    return link.relative_to(work).as_posix()


def train(
    run: Run, plan: Plan, name: str, preset: dict, paths: dict[str, Path], init_from: str | None
) -> Path:
    """Runs one stage in the time that is left for it; returns its output folder."""
    folder = run.work / f"stage-{name}"
    seconds, until = plan.share(name)
    stages = run.report.setdefault("stages", {})
    if seconds < LEAST:
        run.say(f"stage {name}: {max(0, seconds):.0f} seconds are left for it, so it is left out")
        stages[name] = {"ended": "no time was left for it"}
        return folder
    choice = run.report["choice"][name]
    training = plan.rhythm(seconds, choice) | preset["training"] | {"batch_size": choice["rows"]}
    preset = preset | {"training": training}
    path = run.work / f"{name}.json"
    path.write_text(json.dumps(preset), encoding="utf-8")
    options = [word for part in CORPORA[name] for word in ("--corpus", paths[part].name)]
    options += ["--preset", path.name, "--max-minutes", f"{seconds / 60:.4f}"]
    options += ["--precision", FOR_ACCELERATE[choice["precision"]], "--no-measure"]
    options += ["--init-from", init_from] if init_from else []
    options += [] if run.report["gpu"] else ["--cpu"]
    latest = (until - run.started) / 60
    run.say(f"stage {name}: {seconds / 60:.1f} minutes of training, ended at {latest:.1f} at the latest")
    environment = child_environment(run.work / "site")
    stage = Stage(name, options, folder, run.output, run.staging, run.bundle.identity, environment, run.say)
    stages[name] = stage.run(until)
    if stage.start_up is not None:
        plan.learn(CORPORA[name], stage.start_up)
    return folder


if __name__ == "__main__":
    sys.exit(main())
