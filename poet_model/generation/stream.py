"""PoemStream: an iterator over the pieces of a poem while it is being written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from .poem import Poem


class PoemStream(Iterator[str]):
    """An iterator over the pieces of one poem, which together are its text.

    The `StopIteration` at the end carries the finished Poem as its value, as that of a generator does, so
    that `poem = yield from stream` works.

    Attributes:
        poem: the poem so far. Its `log_probs` are empty until it is finished.
        given: the number of characters at the beginning of the text that come from the requested start,
            including line ends that the form added to it.
        heads: the acrostic in the model's script; '' without one.
        is_finished: whether the poem is complete.

    Example:
        >>> import poet_model
        >>> stream = poet_model.load().stream("春", form="五絕", seed=7)
        >>> next(stream), next(stream), stream.poem.text
        ('春', '深', '春深')
        >>> "".join(stream)
        '接昭陽，漸無全貴國。清夜遊西方，晴落濯飛雪。'
        >>> stream.poem.lines[0], stream.is_finished
        ('春深接昭陽，', True)
    """

    def __init__(
        self, pieces: Generator[str, None, Poem], unwritten: Poem, *, given: int = 0, heads: str = ""
    ):
        """Wraps a generator of pieces.

        Args:
            pieces: a generator that yields the text in pieces and returns the finished poem.
            unwritten: the poem before the first piece, with its seed and header but without text.
            given, heads: see the attributes.
        """
        self._pieces = pieces
        self.given: int = given
        self.heads: str = heads
        self.poem: Poem = unwritten
        self.is_finished: bool = False

    def __next__(self) -> str:
        try:
            piece = next(self._pieces)
        except StopIteration as end:
            if isinstance(end.value, Poem):  # a generator that is exhausted already returns None
                self.poem, self.is_finished = end.value, True
            raise
        self.poem = replace(self.poem, text=self.poem.text + piece)
        return piece

    def close(self) -> None:
        """Stops the generation. `poem` keeps what has been written, and the iterator is exhausted."""
        self._pieces.close()
