"""Plan: which poems are written together. It depends only on what is asked for, never on who writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .requests import Requests

BLOCKS_A_PART = 4


class Block(NamedTuple):
    """Poems of one request that are written in one batch: their request, the first, and how many."""

    request: int
    first: int
    size: int


class Plan:
    """Cuts the poems of a run into parts, which one worker writes at once, and parts into blocks.

    Blocks begin at multiples of the batch size within their request, so that they are the same for a request
    of 100 poems and one of a million; only the edges of a part cut some.

    Args:
        requests: the requests.
        batch_size: the largest number of poems in a block.
    """

    def __init__(self, requests: Requests, batch_size: int):
        self._requests, self._batch_size = requests, batch_size
        self.part_size = BLOCKS_A_PART * batch_size  # poems
        self.poems = int(requests.firsts[-1])
        self.parts = -(-self.poems // self.part_size)

    def poems_of(self, part: int) -> range:
        """The numbers of the poems of a part."""
        return range(part * self.part_size, min((part + 1) * self.part_size, self.poems))

    def blocks(self, part: int) -> Iterator[Block]:
        """The blocks of a part, in order."""
        first, last = self.poems_of(part).start, self.poems_of(part).stop
        request = self._requests.number_of(first)
        while first < last:
            start, end = self._requests.firsts[request : request + 2].tolist()
            edge = start + ((first - start) // self._batch_size + 1) * self._batch_size
            stop = min(edge, end, last)
            yield Block(request, first, stop - first)
            first, request = stop, request + (stop == end)
