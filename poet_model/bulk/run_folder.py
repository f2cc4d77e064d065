"""RunFolder: the folder of a run, its files and its record. A run goes on only if its record is the same.

README.md        the dataset card, once the run has ended
run.json         the record: what was asked for, and of which model and libraries
requests.jsonl   the requests, with the options of the command line
data/            the shards
parts/           while the run lasts: poems whose duplicates have not been looked for
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InvalidValueError, quoted
from ..files import make_folder, read_json, write_pieces, write_text
from ..locks import lock
from ..temporary import remove_abandoned, temporary_paths

FORMATS = ("parquet", "jsonl")
_LOCK = ".bulk.lock"
_AGAIN = "give the options that the run began with, or another --out"


class RunFolder:
    """The names of the files in the folder of a run, and who may write there."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.card, self.record = folder / "README.md", folder / "run.json"
        self.requests = folder / "requests.jsonl"
        self._parts, self._data = folder / "parts", folder / "data"

    def part(self, number: int) -> Path:
        """The file of a part, with a JSON object for each poem."""
        return self._parts / f"{number:07d}.jsonl"

    def shard(self, number: int, shards: int, kind: str) -> Path:
        """The file of a shard; `kind` is one of FORMATS."""
        return self._data / f"poems-{number:05d}-of-{shards:05d}.{kind}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """A context manager that creates the folder and keeps other runs out of it.

        Where the file system has no locks, and on Windows, a second run is not noticed.

        Raises:
            InvalidValueError: another run is writing there, the folder has files of others, or it is no place
                for a run.
        """
        self._check_place()
        make_folder(self.folder)
        try:
            descriptor = lock(self.folder / _LOCK, create=True)
        except OSError:
            if os.name == "posix" and not os.access(self.folder, os.W_OK):
                raise
            yield  # no locks here
            return
        if descriptor is None:
            raise InvalidValueError(
                f"another poet bulk writes into {self.folder}; wait for it, or give another --out"
            )
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                (self.folder / _LOCK).unlink()
                if not os.listdir(self.folder):  # nothing was begun
                    self.folder.rmdir()
            os.close(descriptor)

    def _check_place(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidValueError(f"--out {self.folder} is a file; give a folder")
        place = self.folder.resolve()
        if place in (Path(place.anchor), Path(os.path.expanduser("~")).resolve()):
            raise InvalidValueError(f"--out {self.folder} is no place for poems; give a folder in it")
        if not self.folder.is_dir():
            return
        ours = {_LOCK}
        if self.record.is_file():
            ours |= {path.name for path in (self.card, self.record, self.requests, self._parts, self._data)}
        temporary = {path.name for path in temporary_paths(self.folder)}
        if others := sorted(set(os.listdir(self.folder)) - ours - temporary):
            raise InvalidValueError(
                f"--out {self.folder} has files of others, such as {quoted(others[0])}; give a folder of its "
                "own to the poems"
            )

    def has_begun(self) -> bool:
        """Whether the folder has a run, unfinished or not."""
        return self.record.is_file()

    def begin(self, record: dict[str, Any], requests: Iterable[str]) -> None:
        """Begins a run in an empty folder, or goes on with it.

        Args:
            record: what the poems depend on, and a `command`, which may change.
            requests: the lines of the requests.

        Raises:
            InvalidValueError: the folder has a run with another record; the message names the first
                difference.
        """
        if self.has_begun():
            self._check_same(record)
        else:
            write_text(self.record, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
        write_pieces(self.requests, requests)
        make_folder(self._parts)
        make_folder(self._data)
        for folder in (self._parts, self._data):
            remove_abandoned(temporary_paths(folder))

    def _check_same(self, record: dict[str, Any]) -> None:
        old = read_json(self.record, dict, "delete the folder, and begin again")
        new = json.loads(json.dumps(record))
        for name in [*new, *old]:
            if name != "command" and old.get(name) != new.get(name):
                there, here = quoted(old.get(name)), quoted(new.get(name))
                raise InvalidValueError(
                    f"{self.folder} has a run with {name} {there}, and this one has {here}; {_AGAIN}"
                )

    def remove_parts(self) -> None:
        """Deletes what is not needed once the shards are whole."""
        shutil.rmtree(self._parts, ignore_errors=True)

    def bytes_of_shards(self) -> int:
        """The size of all shards together."""
        shard = re.compile(r"poems-\d+-of-\d+\.\w+")
        return sum(path.stat().st_size for path in self._data.iterdir() if shard.fullmatch(path.name))
