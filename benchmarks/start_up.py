"""Measures two waiting times: the preparation of the Tang corpus, and the first response of the page."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from common import ROOT, finish, last_line_of, show, summary

from poet_model.errors import command

PREPARE = """
import json, resource, time
from poet_model.corpus.fetch import fetch_package
fetch_package()  # download the tarball before the measurement
started = time.perf_counter()
from poet_model.corpus import load_corpus
load_corpus("tang", use_cache=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
print(json.dumps({"seconds": time.perf_counter() - started, "peak_gib": peak}))
"""


def first_answer() -> float:
    """The seconds from starting `python app.py` to its first HTTP 200."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever the environment says
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"}, **quiet)
    try:
        while server.poll() is None and time.perf_counter() - started < 120:
            try:
                direct.open(f"http://127.0.0.1:{port}/", timeout=5).close()
                return time.perf_counter() - started
            except OSError:
                time.sleep(0.05)
        sys.exit("error: app.py ended or did not answer within 120 s; run `python app.py` to see why")
    finally:
        server.terminate()
        server.wait()


@command
def main() -> None:
    """Measures, prints the table and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    options = parser.parse_args()
    from poet_model.machine import machine

    prepared = [last_line_of([sys.executable, "-c", PREPARE]) for _ in range(options.rounds)]
    record = {
        "what": "waiting, seconds and GiB",
        "where": machine(),
        "prepare_seconds": summary([result["seconds"] for result in prepared]),
        "prepare_peak_gib": summary([result["peak_gib"] for result in prepared]),
        "first_answer_seconds": summary([first_answer() for _ in range(options.rounds)]),
    }
    goals = {"prepare_seconds": "30", "prepare_peak_gib": "1", "first_answer_seconds": "8"}
    rows = [
        [name, f"{record[name]['median']:.2f}", f"{record[name]['low']:.2f}-{record[name]['high']:.2f}", goal]
        for name, goal in goals.items()
    ]
    title = f"Waiting times, median of {options.rounds}, {record['where']}"
    show(title, ["", "median", "range", "goal: at most"], rows)
    finish(record, options.json)


if __name__ == "__main__":
    sys.exit(main())
