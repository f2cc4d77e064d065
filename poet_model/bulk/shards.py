"""Shards: files of rows in Parquet or JSONL, whole or absent, with the same bytes for the same rows."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InvalidValueError
from ..extras import how_to_install
from ..files import replaced_file
from .row import COLUMNS


def check_format(kind: str) -> None:
    """Raises InvalidValueError if a format needs a library that is not installed."""
    if kind == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InvalidValueError(
            "--format parquet needs pyarrow, which is not installed; use --format jsonl, or "
            + how_to_install("pyarrow")
        )


def write_shard(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows, all of which have COLUMNS, into a file whose ending names its format.

    Raises:
        OSError: the system refused to; the file is then absent.
    """
    with replaced_file(path) as file:
        if path.suffix == ".jsonl":
            file.writelines((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8") for row in rows)
            return
        import pyarrow
        from pyarrow import parquet

        types = {"list<string>": pyarrow.list_(pyarrow.string())}
        schema = pyarrow.schema(
            [(name, types.get(kind) or getattr(pyarrow, kind)()) for name, (kind, _) in COLUMNS.items()]
        )
        # nothing here may depend on the time or the machine
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), file, compression="zstd", version="2.6")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a shard or of a part.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        if path.suffix == ".jsonl":
            with open(path, encoding="utf-8") as file:
                yield from map(json.loads, file)
            return
        from pyarrow import parquet

        with parquet.ParquetFile(path) as shard:
            for batch in shard.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except ValueError as error:  # pyarrow's errors of damaged files are such, too
        raise CheckpointError(
            f"{path} is damaged ({error}); delete it, and give the same command again"
        ) from error
