"""Ends an offline training: measures the best model, prints a summary and writes the report."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
import time
from pathlib import Path

from offline_machine import child_environment
from offline_pieces import ROOT
from offline_run import Run
from offline_unpack import unpack

from poet_model.files import read_json_lines


def finish(run: Run, paths: dict[str, Path]) -> None:
    """Measures the best model, read back from the pieces in OUT, and prints a summary."""
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
                "time ran out before all was measured (python -m poet_model.evaluation measures the rest)"
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
    print("\n".join(summary(run.report)) + unpacking(run.options.output), flush=True)


def unpacking(output: Path) -> str:
    """The command that unpacks the pieces in a folder, as a separate paragraph."""
    return f"\n\n    python tools/offline_unpack.py {shlex.quote(str(output))} runs/candidate\n"


def summary(report: dict) -> list[str]:
    """A readable summary of a finished run, as lines of text."""
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
            kinds = {"RAM": stage["resident_mb"], "GPU": stage["gpu_memory_mb"]}
            memory = ", ".join(f"{kind} {most:,} MiB at most" for kind, most in kinds.items() if most)
            speed = stage["tokens_per_second"] or 0
            lines.append(f"stage {name:<24} {speed:,} tokens/s, {stage['steps']:,} steps; {memory}")
    chosen = [(choice["precision"], choice["rows"]) for choice in report["choice"].values()]
    for one in (one for one in report["preflight"] if one["kind"] == "kernels" and "slowest" in one):
        what = f"kernels, {one['precision']}, {one['rows']} rows"
        lines.append(f"{what:<30} LSTM: {'; '.join(one['lstm'][:2]) or 'none by that name'}")
        if (one["precision"], one["rows"]) in chosen:
            lines += [f"{'':<30} {k['milliseconds']:>8.2f} ms  {k['name'][:70]}" for k in one["slowest"]]
    lines += [f"{'minutes, ' + phase:<30} {minutes:.2f}" for phase, minutes in report["minutes"].items()]
    return lines
