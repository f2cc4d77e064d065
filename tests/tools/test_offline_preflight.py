"""What a machine can do: offline_machine, offline_findings, offline_probe and offline_watch."""

from __future__ import annotations

import time

import offline_findings
import offline_machine
import offline_preflight
import offline_watch
import pytest
from offline_contents import read_bundle
from offline_fixtures import PYTHON, TOOLS, copy_of

from poet_model.errors import InvalidValueError

CRASHING = """
import os, signal, sys, time
sys.path.insert(0, {tools!r})
import offline_bench, offline_probe
class Crashing(offline_bench.Bench):
    def trial(self, stage, precision, rows, seconds):
        if (stage, precision) == ("mixed", "bf16"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if (stage, precision) == ("mixed", "fp16"):
            time.sleep(1000)
        return super().trial(stage, precision, rows, seconds)
sys.exit(offline_probe.main(make_bench=Crashing, trial_seconds=2.0))
"""


@pytest.mark.slow
def test_a_trial_that_crashes_and_one_that_hangs_cost_no_other(bundle, preset, tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    script.write_text(CRASHING.format(tools=str(TOOLS)), encoding="utf-8")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = read_bundle(bundle).extract(tmp_path)
    presets = offline_preflight.load_presets(preset)
    settings = {"corpus": str(paths["tang"]), "presets": {"gpu": presets, "cpu": presets}}
    settings["results"] = str(tmp_path / "findings.jsonl")
    said = []
    watch = offline_watch.ProbeWatch(
        settings,
        tmp_path / "site",
        time.time() + 120,
        said.append,
        script=script,
        silence={"cpu": 2.0, "gpu": 2.0},
    )
    findings = watch.run()
    trials = {(o["stage"], o["precision"]): o for o in findings if o["kind"] == "trial"}
    assert "exit status -11" in trials["mixed", "bf16"]["failed"]
    assert "hung" in trials["mixed", "fp16"]["failed"]
    assert all(trials[stage, "fp32"]["tokens_per_second"] > 0 for stage in ("mixed", "tang"))
    assert findings[-1]["kind"] == "done" and offline_findings.fastest(findings)["precision"] == "fp32"
    assert sum("this trial is skipped" in sentence for sentence in said) == 2


def test_too_little_memory_on_the_gpu_is_said():
    machine = {"kind": "machine", "gpu": "a small one", "gpu_free_mb": 512}
    failed = {"kind": "trial", "stage": "mixed", "precision": "fp16", "rows": 128, "failed": "out of memory"}
    with pytest.raises(InvalidValueError, match=r"only 0\.5 GiB of GPU memory is free, .* needs 3\.0"):
        offline_watch.check_findings([machine, failed], "out of memory", lambda text: None)


@pytest.mark.slow
def test_wheels_of_another_python_are_not_installed(bundle, tmp_path, without_opencc, monkeypatch):
    target = copy_of(bundle, tmp_path, lambda contents, manifest: manifest.update(python="3.99"))
    assert offline_machine.install_wheels(read_bundle(target), tmp_path / "site") == []  # none is needed
    monkeypatch.setenv("PYTHONPATH", without_opencc["PYTHONPATH"])
    with pytest.raises(InvalidValueError, match=rf"for Python 3\.99: make a bundle with .*--python {PYTHON}"):
        offline_machine.install_wheels(read_bundle(target), tmp_path / "site")


def trial(rows: int, speed: int, stage: str = "mixed", **more) -> dict:
    return {
        "kind": "trial",
        "stage": stage,
        "precision": "fp16",
        "rows": rows,
        "tokens_per_second": speed,
    } | more


def test_the_fastest_sound_trial_is_taken_and_of_equals_the_one_with_smaller_batches():
    assert offline_findings.fastest([trial(128, 90), trial(256, 100), trial(512, 80)])["rows"] == 256
    assert offline_findings.fastest([trial(128, 96), trial(256, 100)])["rows"] == 128
    failed = {"kind": "trial", "stage": "mixed", "precision": "fp16", "rows": 64, "failed": "out of memory"}
    assert offline_findings.fastest([failed, trial(512, 10)])["rows"] == 512
    assert offline_findings.fastest([failed]) is None
    findings = [trial(128, 10), trial(256, 10, stage="tang"), trial(128, 5, stage="tang")]
    assert offline_findings.fastest(findings, "tang")["rows"] == 256
