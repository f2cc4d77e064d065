"""The engine of Ray: Ray Data gives the parts to a pool of actors, on this machine or on a cluster.

A part that was lost with its actor is written again by another one; Ray sees to that.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import InvalidValueError, PoetError, excerpt
from ..extras import how_to_install
from .worker import ONE_THREAD, Job, worker_of

MAX_BLOCKS = 10_000  # tasks; with more parts than that, a task has several
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


def check_ray() -> None:
    """Raises InvalidValueError if Ray Data is not installed, or nobody listens at RAY_ADDRESS.

    Ray itself would wait for minutes.
    """
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise InvalidValueError(
            "--engine ray needs Ray Data, which is not installed; use --engine local, or "
            + how_to_install("ray")
        )
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise InvalidValueError(
                f"no Ray answers at RAY_ADDRESS={excerpt(address)} ({error}); correct the variable, start "
                "Ray there with `ray start --head`, or unset it to use this machine"
            ) from error


class Parts:
    """The class of the actors: writes the parts of a batch."""

    def __init__(self, job: Job):
        self._job = job  # what fails here, Ray would try again without end; so the worker begins at a call

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Maps an array `part` to the lists `poems`, the number of poems in each, and `error`, a text or ''.

        An error is data here, since Ray hands on no more of an exception than its traceback.
        """
        try:
            poems, error = [worker_of(self._job).write(int(part)) for part in batch["part"]], ""
        except PoetError as problem:
            poems, error = [0], str(problem)
        except OSError as problem:
            what = problem.filename or self._job.folder
            error = (
                f"{what} cannot be read or written ({problem.strerror}); check the disk and the permissions"
            )
            poems = [0]
        return {"poems": poems, "error": [error] * len(poems)}


def write_parts(job: Job, parts: Sequence[int], workers: int) -> Iterator[int]:
    """Writes the parts; yields the number of poems of each that is done.

    Ray begins on this machine, or joins the cluster that RAY_ADDRESS names.

    Raises:
        InvalidValueError: a worker could not go on, or Ray could not.
    """
    os.environ.update(_QUIET)  # before Ray is imported
    import ray

    try:
        with _silent():
            begin(ray, workers)
    except (OSError, RuntimeError, ValueError) as error:  # each for some kind of wrong address
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InvalidValueError(f"Ray cannot begin ({why}); check RAY_ADDRESS, or unset it") from error
    batches: Iterator[Any] = iter(())
    try:
        on_gpu = job.backend == "torch" and ray.cluster_resources().get("GPU", 0) > 0
        blocks = min(len(parts), MAX_BLOCKS)
        items = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=blocks)
        written = items.map_batches(
            Parts,
            fn_constructor_args=(job,),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=1 if on_gpu else 0,
        )
        batches = iter(written.iter_batches(batch_size=None, prefetch_batches=0))
        with _silent():
            first = next(batches)
        for batch in itertools.chain([first], batches):
            for poems, refusal in zip(batch["poems"].tolist(), batch["error"].tolist(), strict=True):
                if refusal:
                    raise InvalidValueError(refusal)
                yield poems
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise InvalidValueError(f"Ray cannot go on ({why}); what is whole stays") from error
    finally:
        del batches  # ends the thread that feeds the actors, before Ray ends
        ray.shutdown()


def begin(ray: Any, workers: int) -> None:
    """Begins Ray, quietly."""
    options = {
        "logging_level": logging.ERROR,
        "log_to_driver": False,
        "runtime_env": {"env_vars": ONE_THREAD},
    }
    if not os.environ.get("RAY_ADDRESS"):
        # one more than the workers need, for what feeds them
        options |= {"address": "local", "num_cpus": workers + 1, "include_dashboard": False}
    ray.init(**options)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Discards what Ray's C++ code tells its developers on stderr while it begins; its log files have it."""
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
