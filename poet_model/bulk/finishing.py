"""The last pass: looks for duplicates in all parts, writes the shards in order, then the card.

A pass that was cut off goes on after the last whole shard: each part stays until its poems are in shards.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .duplicates import NONE, Duplicates
from .plan import Plan
from .requests import Requests
from .run_folder import RunFolder
from .shards import read_rows, write_shard


@dataclass
class Counts:
    """What the card tells of the poems: how many of each kind."""

    poems: int = 0
    characters: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    failed: int = 0
    with_copied_line: int | None = None  # None without an index
    forms: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Counts a poem."""
        self.poems += 1
        if row["error"] is not None:
            self.failed += 1
            return
        self.characters += len(row["text"])
        self.forms[row["form"]] += 1
        if row["level"]:
            self.levels[row["level"]] += 1
        if row["copied_lines"] is not None:
            self.with_copied_line = (self.with_copied_line or 0) + (row["copied_lines"] > 0)


class Finishing:
    """The shards of a run, and what is missing of them.

    Args:
        run: the folder.
        plan: the parts.
        requests: the requests.
        kind: the format of the shards.
        shard_size: the number of poems in a shard; the last may have fewer.
    """

    def __init__(self, run: RunFolder, plan: Plan, requests: Requests, kind: str, shard_size: int):
        self._run, self._plan, self._requests = run, plan, requests
        self._size, shards = shard_size, -(-plan.poems // shard_size)
        self._shards = [run.shard(number, shards, kind) for number in range(shards)]
        self._whole = next((i for i, path in enumerate(self._shards) if not path.is_file()), shards)

    @property
    def is_done(self) -> bool:
        """Whether all shards and the card are there."""
        return self._whole == len(self._shards) and self._run.card.is_file()

    def missing_parts(self) -> list[int]:
        """The parts that are still to be written."""
        first = self._whole * self._size // self._plan.part_size
        numbers = range(first, self._plan.parts if self._whole < len(self._shards) else first)
        return [number for number in numbers if not self._run.part(number).is_file()]

    def run(self, progress: Callable[[int], object]) -> Counts:
        """Writes the shards that are missing; `progress` is called with the number of poems just read."""
        counts, duplicates = Counts(), Duplicates()
        for row in itertools.chain(self._rows_of_shards(), self._rows_of_parts()):
            start = self._requests[row["request"] - 1].get("start", "")
            duplicates.add(row["text"], start)
            counts.add(row)
            progress(1)
        same, near = duplicates.find()
        counts.duplicates, counts.near_duplicates = int((same != NONE).sum()), int((near != NONE).sum())
        rows = self._rows_of_parts()
        for number in range(self._whole, len(self._shards)):
            shard = list(itertools.islice(rows, self._size))
            for row in shard:
                row["duplicate_of"], row["near_duplicate_of"] = (
                    None if found == NONE else found
                    for found in (int(same[row["number"]]), int(near[row["number"]]))
                )
            write_shard(self._shards[number], shard)
            self._remove_parts(number)
        return counts

    def _rows_of_shards(self) -> Iterator[dict[str, Any]]:
        for path in self._shards[: self._whole]:
            yield from read_rows(path)

    def _rows_of_parts(self) -> Iterator[dict[str, Any]]:
        """The rows that no whole shard has."""
        first = self._whole * self._size
        for part in range(
            first // self._plan.part_size, self._plan.parts if self._whole < len(self._shards) else 0
        ):
            for row in read_rows(self._run.part(part)):
                if row["number"] >= first:
                    yield row

    def _remove_parts(self, shard: int) -> None:
        """Deletes the parts that a shard has used up."""
        for part in range(shard * self._size // self._plan.part_size, self._plan.parts):
            if self._plan.poems_of(part).stop > (shard + 1) * self._size:
                return
            self._run.part(part).unlink(missing_ok=True)
