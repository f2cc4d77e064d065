"""The preflight: finds out within seconds what an unknown machine can do.

It checks packages and memory and times real training steps. Everything that needs torch runs in a process of
its own, which may crash or hang.
"""

from __future__ import annotations

import time
from pathlib import Path

from offline_findings import STAGES, fastest, last_of
from offline_machine import (
    RAM_BYTES,
    RAM_BYTES_PER_CHARACTER,
    check_memory,
    free_memory,
    install_wheels,
    versions,
)
from offline_run import Run
from offline_watch import ProbeWatch

from poet_model.errors import InvalidValueError
from poet_model.files import read_json

PRESETS = Path(__file__).with_name("offline_presets")
SECONDS = 45  # the longest that the preflight may take


def load_presets(path: Path) -> dict[str, dict]:
    """Loads the settings of each stage; the probe checks whether they suit a model."""
    presets = read_json(path, dict, "--preset takes a file like tools/offline_presets/gpu.json")
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


def preflight(run: Run) -> tuple[list[dict], dict[str, Path], dict]:
    """Measure this machine; return the findings, the paths of the corpora, and the presets for it."""
    began, seconds = time.monotonic(), min(SECONDS, 20 * run.options.minutes)
    deadline = time.time() + seconds
    run.say(f"preflight: what this machine can do, found out in {seconds:.0f} seconds at most")
    paths = _prepare(run)
    preset = run.options.preset
    by_machine = {name: load_presets(preset or PRESETS / f"{name}.json") for name in ("gpu", "cpu")}
    settings = {"corpus": str(paths["tang"]), "presets": by_machine, "results": str(run.work / "probe.jsonl")}
    findings = ProbeWatch(settings, run.work / "site", deadline, run.say).run()
    machine = last_of(findings, "machine", {})
    _report(run, findings, machine)
    run.spend("preflight", began)
    return findings, paths, by_machine["gpu" if machine.get("gpu") else "cpu"]


def _prepare(run: Run) -> dict[str, Path]:
    """Check the memory, install what is missing, and extract the corpora; return their paths."""
    site = run.work / "site"
    site.mkdir()
    characters = sum(map(run.bundle.characters, ("tang", "song")))
    check_memory(free_memory(), RAM_BYTES + RAM_BYTES_PER_CHARACTER * characters, "RAM")
    if installed := install_wheels(run.bundle, site):
        run.say(f"installed from the bundle: {', '.join(installed)}")
    run.report["versions"] = versions(site)
    run.say(", ".join(f"{name} {version or 'missing'}" for name, version in run.report["versions"].items()))
    return run.bundle.extract(run.work)


def _report(run: Run, findings: list[dict], machine: dict) -> None:
    """Tell the person what was measured and chosen, and put it into the report."""
    run.report["gpu"] = machine.get("gpu")
    for stage in STAGES:
        choice = fastest(findings, stage) or fastest(findings)
        run.report.setdefault("choice", {})[stage] = choice
        speed = f"{choice['tokens_per_second']:,} tokens/s"
        run.say(f"stage {stage}: {choice['precision']}, {choice['rows']} rows, {speed}")
    run.report["preflight"] = [one for one in findings if one["kind"] != "begin"]
    if kernels := next((one for one in findings if one["kind"] == "kernels" and "lstm" in one), None):
        run.say(f"kernels of the LSTM: {'; '.join(kernels['lstm'][:3]) or 'none by that name'}")
    if machine.get("gpu"):
        free = f"{machine['gpu_free_mb']:,} of {machine['gpu_memory_mb']:,} MiB free"
        run.say(f"{machine['gpu']}, CUDA {machine['cuda']}, cuDNN {machine['cudnn']}, {free}")
    free = free_memory()
    run.say(f"RAM free: {'unknown' if free is None else f'{free >> 20:,} MiB'}")
