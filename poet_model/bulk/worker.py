"""Worker: writes the parts of a run into its folder. All that it knows is in a Job and in that folder."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InvalidValueError
from ..files import write_pieces
from ..generation.poem import Poem
from ..generation.writer import Writer
from ..loading import load
from ..model_folder import weights_mark
from ..novelty.index import NoveltyIndex
from .plan import Block, Plan
from .requests import Requests
from .row import failed_row, row_of
from .run_folder import RunFolder
from .steady import SteadyWriter

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}


@dataclass(frozen=True)
class Job:
    """What the workers of a run need to know.

    Attributes:
        folder: the folder of the run.
        model: the folder of the model.
        fingerprint: the SHA-256 of the model's weights.
        index: the folder of the novelty index; None for no index.
        seed: the seed of the first poem.
        batch_size: the number of poems that are written together.
        backend: "numpy" or "torch".
    """

    folder: Path
    model: Path
    fingerprint: str
    index: Path | None
    seed: int
    batch_size: int
    backend: str


@functools.cache
def worker_of(job: Job) -> Worker:
    """The worker of this process."""
    return Worker(job)


class Worker:
    """Writes parts, each into a file of its own that is whole or absent.

    Raises:
        CheckpointError: the model is not the one that the run began with, or cannot be loaded.
    """

    def __init__(self, job: Job):
        self._job, self._run = job, RunFolder(job.folder)
        if weights_mark(job.model) != job.fingerprint:
            raise CheckpointError(
                f"{job.model} is not the model that the run in {job.folder} began with; put that one there"
            )
        self._writer = SteadyWriter(model_of(job))
        self._index = NoveltyIndex.load(job.index) if job.index else None
        self._requests = Requests(self._run.requests)
        self.plan = Plan(self._requests, job.batch_size)

    def write(self, part: int) -> int:
        """Writes a part, unless that is done; returns the number of its poems."""
        path = self._run.part(part)
        if not os.path.exists(path):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows(part))
            write_pieces(path, lines)
        return len(self.plan.poems_of(part))

    def _rows(self, part: int) -> Iterator[dict[str, Any]]:
        for block in self.plan.blocks(part):
            for number, poem in enumerate(self._poems(block), block.first):
                if isinstance(poem, Poem):
                    yield row_of(poem, number, block.request, self._index)
                else:
                    yield failed_row(str(poem), number, self._job.seed + number, block.request)

    def _poems(self, block: Block) -> list[Poem | InvalidValueError]:
        """The poems of a block; an error for each of those whose rules allowed no next character."""
        options = dict(self._requests[block.request])
        if options.get("original"):
            options["original"] = self._index
        start, seed = options.pop("start", ""), self._job.seed + block.first
        try:
            return list(self._writer.generate(start, num_poems=block.size, seed=seed, **options))
        except InvalidValueError as error:
            if block.size == 1:
                return [error]
            singles = (block._replace(first=block.first + i, size=1) for i in range(block.size))
            return [poem for single in singles for poem in self._poems(single)]


def model_of(job: Job) -> Writer:
    """The model of a run; on the GPU, if torch writes and there is one."""
    if job.backend == "numpy":
        return load(job.model, backend="numpy")
    import torch

    model = load(job.model, backend="torch")
    return model.to("cuda") if torch.cuda.is_available() else model
