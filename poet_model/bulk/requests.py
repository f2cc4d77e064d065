"""The requests of a run: a JSONL file, a line for the options of `generate` and the number of poems.

A file may have millions of lines. It is read line by line, and only the places of the lines are kept.
"""

from __future__ import annotations

import array
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidValueError, PoetError, check_number
from ..files import opened, parse_json

MAX_NUM = 100_000_000  # poems of a run; each costs up to 100 bytes of memory when duplicates are looked for
MAX_LINE = 1 << 16  # bytes; a longer line is no request
_NOT_HERE = {
    "seed": "--seed is for the whole run: poem i has its seed plus i",
    "num_poems": "the number of poems of a request is called num",
}
Check = Callable[[dict[str, Any]], object]


def read_requests(path: Path, defaults: dict[str, Any], check: Check) -> Iterator[dict[str, Any]]:
    """The requests of a file, each with the defaults and a `num`, checked as they are read.

    Args:
        path: the file, UTF-8. Empty lines are skipped.
        defaults: the options, and the `num`, of requests that do not have their own.
        check: raises a PoetError if a poem cannot have these options.

    Raises:
        InvalidValueError: a request is impossible, or the file is empty.
        CheckpointError: the file cannot be read, or a line is not a JSON object. Each message about a line
            names the file and the line.
    """
    with opened(path, "give a file of requests, one JSON object a line") as file:
        number = 0
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
            where = f"{path}, line {number}"
            if len(line) == MAX_LINE:
                raise InvalidValueError(
                    f"{where} is longer than {MAX_LINE:,} bytes; is it a file of requests?"
                )
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            given = parse_json(line, Path(where), dict, "correct that line")
            try:
                yield checked(defaults | {k: v for k, v in given.items() if v is not None}, check)
            except PoetError as error:
                raise InvalidValueError(f"{where}: {error}") from error
    if not number:
        raise InvalidValueError(f"{path} is empty; give a file of requests, one JSON object a line")


def checked(request: dict[str, Any], check: Check) -> dict[str, Any]:
    """The request, if a poem can have its options.

    Raises:
        PoetError: it cannot.
    """
    if wrong := _NOT_HERE.keys() & request.keys():
        name = min(wrong)
        raise InvalidValueError(f"a request has no {name}; {_NOT_HERE[name]}")
    check_number("num", request["num"], 1, MAX_NUM, whole=True)
    check({name: value for name, value in request.items() if name != "num"})
    return request


def line_of(request: dict[str, Any]) -> str:
    """A request as a line of the file that is kept with the poems."""
    return json.dumps(request, ensure_ascii=False, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Summary:
    """What a record needs to know of the requests: how many there are, of how many poems, and their hash."""

    requests: int
    poems: int
    sha256: str

    @classmethod
    def of(cls, requests: Iterable[dict[str, Any]]) -> Summary:
        """Reads all requests.

        Raises:
            InvalidValueError: there are none, or they want more than MAX_NUM poems.
        """
        digest, count, poems = hashlib.sha256(), 0, 0
        for request in requests:
            digest.update(line_of(request).encode("utf-8"))
            count, poems = count + 1, poems + request["num"]
        if not count:
            raise InvalidValueError(
                "there is no request in the file of requests; give one JSON object a line"
            )
        check_number("the number of all poems", poems, 1, MAX_NUM, whole=True)
        return cls(count, poems, digest.hexdigest())


class Requests:
    """The requests of a run, which are numbered from 0, as their poems are.

    Attributes:
        firsts: (R + 1,) the number of the first poem of each request, then the number of all poems.
    """

    def __init__(self, path: Path):
        """Reads the places of the lines in a file that `line_of` wrote."""
        self._path, firsts, places = path, array.array("q", [0]), array.array("q", [0])
        with open(path, "rb") as file:
            for line in file:
                firsts.append(firsts[-1] + json.loads(line)["num"])
                places.append(places[-1] + len(line))
        self.firsts, self._places = np.array(firsts), np.array(places)
        self._last: tuple[int, dict[str, Any]] = (-1, {})

    def __getitem__(self, number: int) -> dict[str, Any]:
        """The options of a request, with its start and without its `num`."""
        if self._last[0] != number:
            with open(self._path, "rb") as file:
                file.seek(self._places[number])
                options = json.loads(file.readline())
            del options["num"]
            self._last = (number, options)
        return self._last[1]

    def number_of(self, poem: int) -> int:
        """The request of a poem."""
        return int(np.searchsorted(self.firsts, poem, side="right")) - 1
