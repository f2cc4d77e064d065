"""Writer: generate and stream, the same for every model that can step."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Unpack, overload

from ..errors import InvalidValueError
from ..tokenizer import PoetTokenizer
from .decoding import Character, Stepper, decode
from .masks import VocabularyMasks
from .options import GenerationConfig, Options
from .poem import Poem
from .request import Request
from .stream import PoemStream

MAX_POEMS = 1024  # of one batch


class Writer:
    """What writes poems, given a vocabulary and a model one character at a time.

    A model that inherits from it has the attributes `tokenizer` and `generation_config`, and `stepper()`.
    """

    tokenizer: PoetTokenizer
    generation_config: GenerationConfig

    def stepper(self) -> Stepper:
        """The model one character at a time."""
        raise NotImplementedError

    def _writing(self) -> AbstractContextManager:
        """Holds while poems are written."""
        return nullcontext()

    @cached_property
    def vocabulary_masks(self) -> VocabularyMasks:
        """What the characters of the vocabulary may do in a poem, looked up once."""
        return VocabularyMasks(self.tokenizer)

    @overload
    def generate(self, start: str = "", *, num_poems: None = None, **options: Unpack[Options]) -> Poem: ...

    @overload
    def generate(self, start: str = "", *, num_poems: int, **options: Unpack[Options]) -> list[Poem]: ...

    def generate(
        self, start: str = "", *, num_poems: int | None = None, **options: Unpack[Options]
    ) -> Poem | list[Poem]:
        """Writes a poem, or a list of `num_poems` of them in one batch.

        Args:
            start: the poem's first characters, in either script.
            num_poems: how many; poem i is the one that seed + i writes alone.
            **options: what the poem is to be, and how its characters are chosen:

                - `form`: 五絕 七絕 五律 七律; number and length of the lines are then guaranteed, unless
                  `impose_form=False`.
                - `tones`: True (平仄 by one of the four templates, at level L1), or "L0", "L1", "L2".
                - `template`: which of them, "T1" to "T4" of prosody.Template; the model chooses without.
                - `rhyme`: True, or a group of 平水韻 such as "東" or "一東".
                - `acrostic`, `telestich`: 2 to 8 characters that the lines begin (藏頭) or end with (藏尾).
                - `title`, `author`: what it is about, and in whose manner.
                - `original`: True if no line of five characters or more may stand in a poem of the corpus (of
                  which there must be an index: `python -m poet_model.novelty build`), or a NoveltyIndex of
                  other poems.
                - `best_of`: how many candidates to write of each line (with a form only): the likelier ones
                  are taken, at that many times the work.
                - `look_ahead`: whether characters before a rhyme word are weighed by what may follow them.
                - `seed`: the same seed writes the same poem.
                - `temperature`, `top_k`, `top_p`, `frequency_penalty`, `max_length`: see GenerationConfig.

        Raises:
            UnknownCharacterError: a character that the model never saw was asked for.
            InvalidValueError: another option is not possible; the message says what is.
            CheckpointError: `original=True`, and there is no index.
        """
        request = Request.make(self.vocabulary_masks, self.generation_config, start, **options)
        count = 1 if num_poems is None else num_poems
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_POEMS:
            raise InvalidValueError(f"num_poems must be a whole number from 1 to {MAX_POEMS}, got {count!r}")
        poems: list[list[Character]] = [[] for _ in range(count)]
        with self._writing():
            for news in decode(self.stepper(), self.vocabulary_masks, request, count):
                for new in news:
                    poems[new.poem].append(new)
        finished = [_poem_of(request, number, found) for number, found in enumerate(poems)]
        return finished[0] if num_poems is None else finished

    def stream(self, start: str = "", **options: Unpack[Options]) -> PoemStream:
        """Writes one poem piece by piece, with the options of `generate`; joined, they are its text.

        The arguments are checked at once, not at the first piece. The stream's `poem` is the Poem so far.
        """
        request = Request.make(self.vocabulary_masks, self.generation_config, start, **options)
        unwritten = _poem_of(request, 0, [])
        return PoemStream(self._stream(request), unwritten, given=len(request.start), heads=request.acrostic)

    def _stream(self, request: Request) -> Generator[str, None, Poem]:
        """First the start, if there is one, then a character or a line at a time."""
        found: list[Character] = []
        with self._writing():
            for news in decode(self.stepper(), self.vocabulary_masks, request):
                found += news
                if news:
                    yield "".join(new.character for new in news)
        return _poem_of(request, 0, found)


def _poem_of(request: Request, number: int, found: list[Character]) -> Poem:
    text = "".join(new.character for new in found)
    log_probs = tuple(new.log_prob for new in found)
    return Poem(text, log_probs, request.seed + number, request.title, request.author, request.form)
