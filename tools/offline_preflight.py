"""What a machine nobody has seen can do, found out in seconds: packages, memory, the speed of real steps.

Standard library only: it runs before the bundle's wheels are there. All that needs torch runs in processes of
their own, which may crash or hang.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from offline_contents import Bundle
from offline_pieces import ROOT
from offline_probe import STAGES, fastest, key_of
from offline_run import Run

from poet_model.errors import InvalidValueError
from poet_model.files import append_json_line, is_number, read_json, read_json_lines

PRESETS = Path(__file__).with_name("offline_presets")
PROBE = Path(__file__).with_name("offline_probe.py")
SECONDS = 45  # for all of it
SILENCE = {"gpu": 10.0, "cpu": 20.0}  # seconds over its time after which a trial hangs
LOADING = 40.0  # seconds for importing torch and reading the poems
PACKAGES = ("torch", "numpy", "accelerate", "safetensors", "tokenizers", "huggingface_hub", "tqdm", "OpenCC")
# bytes that a training takes, and more for each character of its corpora; on a GPU with the smallest batches
RAM_BYTES, RAM_BYTES_PER_CHARACTER, GPU_BYTES = 1.5 * 2**30, 10, 3 * 2**30


def child_environment(site: Path) -> dict[str, str]:
    """The environment of a process that trains: installed wheels come first, and nothing asks a network."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "HF_HUB_OFFLINE": "1",
        "POET_CACHE": str(site.with_name("cache")),  # what is kept there is of no use to a later run
    }


def install_wheels(bundle: Bundle, site: Path) -> list[str]:
    """Installs into `site` those of the bundle's wheels whose modules cannot be imported; their names.

    Raises:
        InvalidValueError: one is needed and is for another Python, or pip refuses it.
    """
    lacking = [
        name
        for name, modules in bundle.manifest["wheels"].items()
        if subprocess.run(
            [sys.executable, "-c", "\n".join(f"import {module}" for module in modules)],
            env=child_environment(site),
            cwd=ROOT,
            capture_output=True,
        ).returncode
    ]
    if not lacking:
        return []
    here, made_for = ".".join(platform.python_version_tuple()[:2]), bundle.manifest["python"]
    if here != made_for:
        raise InvalidValueError(
            f"this is Python {here} and lacks {', '.join(lacking)}, which the bundle holds for Python "
            f"{made_for}; make one for it: tools/offline_bundle.py --python {here}"
        )
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--target", str(site)]
    done = subprocess.run(
        [*command, *(str(bundle.folder / name) for name in lacking)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise InvalidValueError(f"pip does not install {', '.join(lacking)} ({reason}); install it by hand")
    return lacking


def versions(site: Path) -> dict[str, str | None]:
    """Of Python and of the packages that a training needs; None of one that is missing."""
    paths = [str(site), *sys.path]
    found = {
        d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions(path=paths[::-1])
    }
    found = {name.replace("-", "_"): version for name, version in found.items()}
    return {"python": platform.python_version()} | {name: found.get(name.lower()) for name in PACKAGES}


def free_memory() -> int | None:
    """Bytes of RAM that a process may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def check_memory(free: int | None, needed: float, what: str) -> None:
    """Raises InvalidValueError if less is free than is needed, both in bytes; None is not known."""
    if free is not None and free < needed:
        raise InvalidValueError(
            f"only {free / 2**30:.1f} GiB of {what} are free, a training needs {needed / 2**30:.1f}; "
            "end what else runs here, or give a bundle of fewer poems"
        )


def probe(
    settings: dict,
    site: Path,
    deadline: float,
    say: Callable[[str], None],
    *,
    script: Path = PROBE,
    silence: Mapping[str, float] = SILENCE,
) -> list[dict]:
    """The findings of offline_probe.py, which is started again behind a trial that crashes or hangs.

    Args:
        settings: `corpus`, `presets` and `results` (the file of findings, with a log beside it).
        deadline: of time.time(), when whatever has been found must do.
        say: tells the person what failed.
        script: the probe, with the command line of offline_probe.py.
        silence: seconds, on a `gpu` and on a `cpu`, over its time after which a trial hangs.

    Raises:
        InvalidValueError: not one training step could be made; the message says why.
    """
    path, results = Path(settings["results"]).with_name("probe.json"), Path(settings["results"])
    log, failures, seconds = results.with_suffix(".log"), 0, deadline - time.time()
    while time.time() < deadline and failures < 4:
        text = json.dumps(settings | {"deadline": deadline, "spawned": time.time()})
        path.write_text(text, encoding="utf-8")
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(script), str(path)],
                env=child_environment(site),
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                why = _wait(process, results, time.time(), deadline, silence)
            finally:
                process.kill()
                process.wait()
        findings = read_json_lines(results)
        last = findings[-1] if findings else {"kind": "nothing"}
        if last["kind"] in ("done", "refused"):
            break
        if why == "time is up":
            if not any(one["kind"] == "trial" for one in findings):
                raise InvalidValueError(
                    f"the preflight had {max(0.0, seconds):.0f} seconds left for training steps, and not "
                    "one of them could be timed; give more --minutes: 3 are enough"
                )
            break
        failures += 1
        why = f"{why} ({_last_line(log)})"
        if last["kind"] == "begin" and "profiled" not in last:  # known to the next probe, which leaves it out
            append_json_line(results, last | {"kind": "trial", "failed": why})
        elif last["kind"] == "begin":
            say(f"the profiler failed: {why}")
            break
        else:
            say(f"the probe failed: {why}")
    return _judged(read_json_lines(results), _last_line(log), say)


def _wait(
    process: subprocess.Popen, results: Path, began: float, deadline: float, silence: Mapping[str, float]
) -> str:
    """Waits for a probe that `began` to end; says why, also where it had to be given up."""
    while process.poll() is None:
        time.sleep(0.1)
        now = time.time()
        if now > deadline:
            return "time is up"
        findings = read_json_lines(results)
        last = findings[-1] if findings else {"kind": "nothing"}
        silent = now - max(began, results.stat().st_mtime if findings else began)
        on_gpu = any(one["kind"] == "machine" and one["gpu"] for one in findings)
        allowed = last.get("seconds", 0) + silence["gpu" if on_gpu else "cpu"]
        if silent > (allowed if last["kind"] == "begin" else LOADING):
            return f"it hung for {silent:.0f} seconds"
    return f"it ended with exit status {process.returncode}"


def _judged(findings: list[dict], last_line: str, say: Callable[[str], None]) -> list[dict]:
    """Says what failed; the findings, if a training can be made of them."""
    machine = next((one for one in findings if one["kind"] == "machine"), {})
    if machine and not machine["gpu"]:
        say("there is no CUDA here: it goes on on the CPU")
    for finding in findings:
        if finding["kind"] == "refused":
            raise InvalidValueError(f"--preset: {finding['message']}")
        if finding["kind"] in ("trial", "kernels") and "failed" in finding:
            stage, precision, rows = key_of(finding)
            say(f"{precision}, {rows} rows, {stage}: {finding['failed']}; it goes on without")
    if fastest(findings) is None:
        if machine.get("gpu"):
            check_memory(machine["gpu_free_mb"] << 20, GPU_BYTES, "GPU memory")
        raise InvalidValueError(
            f"not one training step could be made here (the last words: {last_line}); see that torch and "
            "the other packages of requirements.txt work"
        )
    return findings


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1][:300] if lines else "none"


def one_of(findings: list[dict], kind: str, defaults: dict) -> dict:
    """The last finding of a kind, with defaults for what was not found out."""
    found = next((one for one in reversed(findings) if one["kind"] == kind), {})
    return defaults | {
        name: value for name, value in found.items() if name not in defaults or is_number(value)
    }


def load_presets(path: Path) -> dict[str, dict]:
    """Settings by stage; what they mean for a model is checked by the probe."""
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
    """What this machine can do; also the findings, the corpora's paths, and the presets for it."""
    began, seconds = time.monotonic(), min(SECONDS, 20 * run.options.minutes)
    deadline = time.time() + seconds
    run.say(f"preflight: what this machine can do, found out in {seconds:.0f} seconds at most")
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
        choice = fastest(findings, stage) or fastest(findings)
        run.report.setdefault("choice", {})[stage] = choice
        speed = f"{choice['tokens_per_second']:,} tokens/s"
        run.say(f"stage {stage}: {choice['precision']}, {choice['rows']} rows, {speed}")
    run.report["preflight"] = [one for one in findings if one["kind"] != "begin"]
    for one in [one for one in findings if one["kind"] == "kernels" and "lstm" in one][:1]:
        run.say(f"kernels of the LSTM: {'; '.join(one['lstm'][:3]) or 'none by that name'}")
    if machine.get("gpu"):
        free = f"{machine['gpu_free_mb']:,} of {machine['gpu_memory_mb']:,} MiB free"
        run.say(f"{machine['gpu']}, CUDA {machine['cuda']}, cuDNN {machine['cudnn']}, {free}")
    free = free_memory()
    run.say(f"RAM free: {'unknown' if free is None else f'{free >> 20:,} MiB'}")
    run.spend("preflight", began)
    return findings, paths, by_machine["gpu" if machine.get("gpu") else "cpu"]
