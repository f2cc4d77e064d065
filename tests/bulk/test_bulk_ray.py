"""The engine of Ray writes the same shards as the local one, also when one of its actors is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bulk_fixtures import shards
from conftest import ROOT

pytest.importorskip("ray")


def below(pid: int) -> dict[int, str]:
    """The processes that a process has begun, and those that they have begun, with their names."""
    parents, names = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            name = status.with_name("cmdline").read_text().split("\0")[0]
        except OSError:
            continue
        parents[int(lines["Pid"])], names[int(lines["Pid"])] = int(lines["PPid"]), name
    found = {pid}
    for _ in range(6):
        found |= {child for child, parent in parents.items() if parent in found}
    return {child: names.get(child, "") for child in found - {pid}}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_actor_that_is_killed_changes_nothing(bulk_model, bulk, tmp_path):
    words = ["--num", 400, "--form", "五絕", "--seed", 3, "--shard-size", 150]
    folder = tmp_path / "ray"
    there = ["--model", bulk_model, "--no-index", "--batch-size", 4, "--out", folder, *words]
    there += ["--engine", "ray", "--workers", 2]
    process = subprocess.Popen(
        [sys.executable, "-m", "poet_model", "bulk", *map(str, there)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list((folder / "parts").glob("0*.jsonl"))) < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    actors = [pid for pid, name in below(process.pid).items() if name.startswith("ray::MapWorker")]
    os.kill(actors[0], signal.SIGKILL)
    assert len(list((folder / "parts").glob("0*.jsonl"))) < 25
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert said.splitlines()[-1].startswith("400 poems") and errors == ""  # before that, Ray says who died
    assert len(actors) == 2
    assert bulk(*words, "--out", tmp_path / "local", "--workers", 2)[0] == 0
    assert shards(folder) == shards(tmp_path / "local")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999999"])
def test_an_address_without_a_ray_is_one_sentence(bulk_model, bulk, tmp_path, monkeypatch, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    status, _, said = bulk("--num", 4, "--out", tmp_path / "out", "--engine", "ray")
    assert status == 2 and f"no Ray answers at RAY_ADDRESS={address} (" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()
