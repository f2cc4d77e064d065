"""A training that is stopped again and again, at any moment and in any way, ends as one that was left alone.

POET_STOPS=87 sets the number of stops; by default, there are six.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from tiny_training import assert_identical, make_trainer

from poet_model import PoetModel
from poet_model.files import read_json_lines
from poet_model.model_folder import LOG_NAME
from poet_model.training.checkpoint import CHECKPOINT_NAME

STOPS = int(os.environ.get("POET_STOPS", "6"))
EPOCHS = 10 + 3 * STOPS
SETTINGS = {"epochs": EPOCHS, "log_every": 3, "eval_every": 5, "checkpoint_every": 4, "rhyme_memory": 0.5}
# starts a process for each training, without the seconds that importing torch takes
SERVER = """
import os, sys, threading
from pathlib import Path
sys.path.insert(0, "tests")
from tiny_training import make_trainer
from tqdm import tqdm
tqdm.monitor_interval = 0  # no thread that may hold a lock while this process forks
tqdm.set_lock(threading.RLock())  # its own lock is shared by all children; one that is killed may hold it
from poet_model.training.checkpoint import CHECKPOINT_NAME
from poet_model.training.stopping import Interrupted
settings = eval(sys.argv[2])
make_trainer(Path(sys.argv[1] + ".first"), epochs=1).train()  # what every first training loads
for _ in sys.stdin:
    child = os.fork()
    if not child:
        status = 1
        try:
            trainer = make_trainer(Path(sys.argv[1]), **settings)
            if (trainer.output / CHECKPOINT_NAME).is_dir():
                trainer.load_checkpoint()
            trainer.train()
            status = 0
        except (Interrupted, KeyboardInterrupt):  # the latter before the loop begins
            status = 3
        finally:
            os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def untimed(trainer) -> list[dict]:
    """The lines of the log, without what depends on the time."""
    log = read_json_lines(trainer.output / LOG_NAME)
    return [{k: v for k, v in line.items() if k not in ("minutes", "tokens_per_second")} for line in log]


def wait_for_records(path: Path, number: int) -> None:
    """Returns when a training has added this number of records to its log."""
    before, started = len(read_json_lines(path)), time.monotonic()
    while len(read_json_lines(path)) < before + number and time.monotonic() < started + 60:
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
@pytest.mark.timeout(900)
def test_any_number_of_stops_changes_neither_the_weights_nor_the_log(tmp_path):
    unbroken = make_trainer(tmp_path / "unbroken", **SETTINGS)
    unbroken.train()
    folder, rng, statuses = tmp_path / "stopped", random.Random(0), []
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), repr(SETTINGS)],
        cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=open(tmp_path / "errors", "w", encoding="utf-8"),  # noqa: SIM115
    )  # fmt: skip
    try:
        while len(statuses) < STOPS or statuses[-1] != 0:
            print("train", file=server.stdin, flush=True)
            child = int(server.stdout.readline())
            if len(statuses) < STOPS:
                wait_for_records(folder / LOG_NAME, rng.randint(0, 6))
                time.sleep(rng.uniform(0, 0.02))
                os.kill(child, rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            statuses.append(int(server.stdout.readline()))
            if (folder / "config.json").exists():
                PoetModel.from_pretrained(folder)
    finally:
        server.kill()
        server.communicate()
    assert set(statuses[:-1]) <= {3, -signal.SIGKILL, -signal.SIGTERM}, statuses
    trainer = make_trainer(folder, **SETTINGS)
    trainer.load_checkpoint()
    assert_identical(trainer, unbroken)
    assert untimed(trainer) == untimed(unbroken)
    assert not [
        path for path in folder.iterdir() if path.name.startswith(".") and path.name != ".training.lock"
    ]
    assert (folder / CHECKPOINT_NAME).is_dir()
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    print(f"{len(statuses)} trainings; how often each exit status: {counts}")
