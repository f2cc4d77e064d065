"""The engine of one machine: a pool of processes, each of which writes parts."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ..errors import InvalidValueError
from .worker import ONE_THREAD, Job, worker_of

IN_FLIGHT = 2  # parts that a worker has or waits for


def write_parts(job: Job, parts: Sequence[int], workers: int) -> Iterator[int]:
    """Writes the parts; yields the number of poems of each that is done.

    Raises:
        PoetError, OSError: a worker could not go on.
        InvalidValueError: a worker was killed.
    """
    os.environ.update(ONE_THREAD)  # before the workers import NumPy; each has a core of its own
    context = multiprocessing.get_context("spawn")  # what has threads cannot be forked safely
    pool = ProcessPoolExecutor(min(workers, len(parts)) or 1, context, _begin)
    waiting = iter(parts)
    running: set[Future[int]] = set()
    try:
        while True:
            for part in itertools.islice(waiting, IN_FLIGHT * workers - len(running)):
                running.add(pool.submit(_write, job, part))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from map(Future.result, done)
    except BrokenProcessPool:
        raise InvalidValueError(
            "a worker process was killed, perhaps because memory ran out; what is whole stays: give the same "
            "command again to go on, with fewer --workers if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write(job: Job, part: int) -> int:
    return worker_of(job).write(part)


def _begin() -> None:
    """Lets a worker end with the process that began it, however that ends."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that began it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)
