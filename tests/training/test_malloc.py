"""Freed memory is kept for reuse until it is explicitly returned to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

PROGRAM = """
import random
from pathlib import Path
from poet_model.training.malloc import keep_freed_memory, return_freed_memory
keep_freed_memory()
import torch

def resident():
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024  # MiB

before = resident()
random.seed(0)
pieces = []
for _ in range(40):  # buffers of many sizes that are freed, and between them small ones that are not
    torch.ones(random.randint(1 << 22, 1 << 24))
    pieces.append(torch.ones(64))
kept = resident() - before
return_freed_memory()
print(kept, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the /proc of Linux")
def test_freed_memory_is_kept_until_it_is_returned():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kept, left = map(int, done.stdout.split())
    assert kept > 40  # MiB; the largest buffer has 64 MiB
    assert left < kept / 4
