"""PoemStream: the pieces of a poem that is being written, and the poem as far as it has come."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from .poem import Poem


class PoemStream(Iterator[str]):
    """An iterator over the pieces of one poem; joined, they are its text.

    The last `StopIteration` carries the finished Poem as its value, as a generator's would, so that
    `poem = yield from stream` works.

    Attributes:
        poem: the poem as far as it is written. Until it is finished its `log_probs` are empty.
        given: number of characters at the beginning of the text that come from the start that was asked for,
            with the line ends that a form put into it.
        heads: the acrostic, in the script of the model; '' without one.
        is_finished: whether the poem is complete.

    Example:
        >>> stream = PoetModel.from_pretrained("assets/tang-lstm").stream("春", form="五絕", seed=7)
        >>> for piece in stream:
        ...     print(stream.poem.text)
    """

    def __init__(
        self, pieces: Generator[str, None, Poem], unwritten: Poem, *, given: int = 0, heads: str = ""
    ):
        """Wraps a generator of pieces.

        Args:
            pieces: yields the text in pieces and returns the finished poem.
            unwritten: the poem before the first piece: no text, but its seed and header.
            given, heads: see the attributes.
        """
        self._pieces = pieces
        self.poem, self.given, self.heads = unwritten, given, heads
        self.is_finished = False

    def __next__(self) -> str:
        try:
            piece = next(self._pieces)
        except StopIteration as end:
            if isinstance(end.value, Poem):  # asked once more, a generator has no value
                self.poem, self.is_finished = end.value, True
            raise
        self.poem = replace(self.poem, text=self.poem.text + piece)
        return piece

    def close(self) -> None:
        """Stops writing; `poem` stays as it is, and no further piece comes."""
        self._pieces.close()
