"""A run from its options to its card: checks everything, writes what is missing, and looks for duplicates."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InvalidValueError, check_number
from ..files import opened, write_text
from ..generation.request import Request
from ..generation.writer import Writer
from ..hub.fetch import find_folder
from ..hub.network import check_environment
from ..hub.project import SHIPPED_NAME, shipped_folder
from ..loading import load
from ..model_folder import weights_mark
from ..novelty.index import POEMS_NAME, TEXT_NAME, NoveltyIndex, default_folder
from ..terminal import is_terminal
from . import local, ray_engine
from .card import card_text
from .finishing import Finishing
from .plan import Plan
from .requests import Requests, Summary, checked, line_of, read_requests
from .run_folder import RunFolder
from .shards import check_format
from .worker import Job

ENGINES = {"local": local.write_parts, "ray": ray_engine.write_parts}


@dataclass(frozen=True)
class Settings:
    """What the command line asks for.

    Attributes:
        out: the folder of the poems.
        requests: the file of requests; None for one request with `options`.
        options: the options of all requests that do not have their own, and the start.
        num: the number of poems of such requests.
        seed: the seed of the first poem.
        workers: how many processes write.
        engine: one of ENGINES.
        kind: the format of the shards.
        shard_size, batch_size: poems in a shard, and written together.
        backend: "numpy" or "torch".
        model: a folder or a Hub id; None for the shipped model.
        index: the folder of the novelty index; None for none.
        command: the command line, for the record.
    """

    out: Path
    requests: Path | None
    options: dict[str, Any]
    num: int
    seed: int
    workers: int
    engine: str
    kind: str
    shard_size: int
    batch_size: int
    backend: str
    model: str | None
    index: Path | None
    command: str

    def __post_init__(self) -> None:
        check_number("--seed", self.seed, 0, 2**62, whole=True)
        check_number("--workers", self.workers, 1, 4096, whole=True)
        check_number("--shard-size", self.shard_size, 1, 100_000, whole=True)
        check_number("--batch-size", self.batch_size, 1, 1024, whole=True)


def index_folder() -> Path | None:
    """The default folder of the novelty index, if there is an index."""
    return default_folder() if (default_folder() / POEMS_NAME).is_file() else None


def run(settings: Settings) -> str:
    """Writes all poems that are missing; returns a sentence that says how many, how fast and where.

    Raises:
        PoetError: something asked for is impossible, or a worker could not go on.
        OSError: the system refused to write; what is whole stays.
    """
    check_format(settings.kind)
    if settings.engine == "ray":
        ray_engine.check_ray()
    model = find_folder(shipped_folder() if settings.model is None else settings.model)
    is_torch = settings.backend == "torch"
    writer: Writer = load(model, backend="torch") if is_torch else load(model, backend="numpy")
    index = NoveltyIndex.load(settings.index) if settings.index else None

    def check(options: dict[str, Any]) -> None:
        options = dict(options)
        if options.get("original"):
            options["original"] = _needed(index)
        Request.make(writer.vocabulary_masks, writer.generation_config, options.pop("start", ""), **options)

    folder = RunFolder(settings.out)
    with folder.locked():
        has_begun = folder.has_begun()  # then the same requests have been checked
        summary = Summary.of(_requests(settings, (lambda options: None) if has_begun else check))
        job = Job(
            settings.out.resolve(),
            model.resolve(),
            weights_mark(model) or "",
            settings.index and settings.index.resolve(),
            settings.seed,
            settings.batch_size,
            settings.backend,
        )
        record = _record(settings, job, summary, asdict(writer.generation_config))
        folder.begin(record, map(line_of, _requests(settings, lambda options: None)))
        return _write(settings, job, folder, record)


def _write(settings: Settings, job: Job, folder: RunFolder, record: dict[str, Any]) -> str:
    """Writes the parts that are missing, then the shards and the card."""
    requests = Requests(folder.requests)
    plan = Plan(requests, settings.batch_size)
    finishing = Finishing(folder, plan, requests, settings.kind, settings.shard_size)
    if finishing.is_done:
        folder.remove_parts()
        return f"all {plan.poems:,} poems are there already: {settings.out}"
    parts = finishing.missing_parts()
    missing, started = sum(len(plan.poems_of(part)) for part in parts), time.perf_counter()
    if parts:
        with _Bar("writing", plan.poems, plan.poems - missing) as update:
            for count in ENGINES[settings.engine](job, parts, settings.workers):
                update(count)
    seconds = time.perf_counter() - started
    with _Bar("looking for duplicates", plan.poems) as update:
        counts = finishing.run(update)
    write_text(folder.card, card_text(record, counts, folder.bytes_of_shards(), job.model))
    folder.remove_parts()
    speed = f", {missing / seconds:,.1f} poems/s" if missing else ""
    return f"{plan.poems:,} poems{speed}: {settings.out}"


class _Bar:
    """A progress bar on stderr if that is a terminal; the block gets the function that moves it on."""

    def __init__(self, what: str, total: int, done: int = 0):
        check_environment()  # before tqdm is imported, which reads its variables then
        from tqdm import tqdm

        self._bar = tqdm(
            desc=what,
            total=total,
            initial=done,
            unit=" poems",
            disable=not is_terminal(sys.stderr),
            leave=False,
        )

    def __enter__(self) -> Callable[[int], object]:
        update: Callable[[int], object] = self._bar.update
        return update

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def _requests(settings: Settings, check: Callable[[dict[str, Any]], object]) -> Iterator[dict[str, Any]]:
    defaults = settings.options | {"num": settings.num}
    if settings.requests is None:
        return iter([checked(defaults, check)])
    return read_requests(settings.requests, defaults, check)


def _needed(index: NoveltyIndex | None) -> NoveltyIndex:
    """The index that original poems need.

    Raises:
        CheckpointError, InvalidValueError: there is none.
    """
    if index is None:
        NoveltyIndex.load(default_folder())
        raise InvalidValueError("original needs the index that --no-index leaves out; leave out one of them")
    return index


def _record(settings: Settings, job: Job, summary: Summary, sampling: dict[str, Any]) -> dict[str, Any]:
    """All that the bytes of the shards depend on, and the command and the name of the model besides."""
    libraries = ["numpy", "OpenCC"]
    libraries += ["pyarrow"] * (settings.kind == "parquet") + ["torch"] * (settings.backend == "torch")
    return {
        "format_version": 1,
        "command": settings.command,
        "model": SHIPPED_NAME if settings.model is None else Path(settings.model).name or settings.model,
        "model_sha256": job.fingerprint,
        "sampling": sampling,
        "poems": summary.poems,
        "requests": summary.requests,
        "requests_sha256": summary.sha256,
        "seed": settings.seed,
        "format": settings.kind,
        "shard_size": settings.shard_size,
        "batch_size": settings.batch_size,
        "backend": settings.backend,
        "index_sha256": _index_mark(job.index),
        "versions": {"poet_model": __version__} | {name: _version(name) for name in libraries},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "unknown"


def _index_mark(folder: Path | None) -> str | None:
    """The SHA-256 of the text of an index."""
    if folder is None:
        return None
    digest = hashlib.sha256()
    with opened(folder / TEXT_NAME, "build the index again") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
