"""Writer: the methods `generate` and `stream` of every model that provides a Stepper."""

from __future__ import annotations

from collections.abc import Generator
from functools import cached_property
from typing import Unpack, overload

from ..errors import InvalidValueError, check_number, quoted
from ..tokenizer import PoetTokenizer
from .choosers import Character
from .decoding import decode
from .masks import VocabularyMasks
from .options import GenerationConfig, Options
from .poem import Poem
from .request import Request
from .stepper import Stepper
from .stream import PoemStream

MAX_POEMS = 1024  # poems per batch


class Writer:
    """A mixin that gives a model the methods `generate` and `stream`.

    The model must have the attributes `tokenizer` and `generation_config`, and the method `stepper()`.
    """

    tokenizer: PoetTokenizer
    generation_config: GenerationConfig

    def stepper(self) -> Stepper:
        """The model as a Stepper, which takes one character at a time."""
        raise NotImplementedError

    @cached_property
    def vocabulary_masks(self) -> VocabularyMasks:
        """The tones, rhymes and kinds of all characters of the vocabulary, computed once."""
        return VocabularyMasks(self.tokenizer)

    @overload
    def generate(self, /, start: str = "", *, num_poems: None = None, **options: Unpack[Options]) -> Poem: ...

    @overload
    def generate(self, /, start: str = "", *, num_poems: int, **options: Unpack[Options]) -> list[Poem]: ...

    def generate(
        self, /, start: str = "", *unnamed: object, num_poems: int | None = None, **options: Unpack[Options]
    ) -> Poem | list[Poem]:
        """Writes a poem, or a list of `num_poems` of them in one batch.

        Args:
            start: the poem's first characters, in either script and with any punctuation.
            *unnamed: refused with a sentence; everything but the start is given by name.
            num_poems: the number of poems. Poem i, counted from 0, is the poem that a single call with the
                seed `seed + i` gives.
            **options: the rules of the poem and the sampling settings:

                - `form`: 五絕, 七絕, 五律 or 七律, or a long name such as 五言絕句. The number and length of
                  the lines are guaranteed unless `impose_form=False`.
                - `tones`: True (平仄 by one of the four templates, at level L1), or "L0", "L1", "L2".
                - `template`: one of the templates, "T1" to "T4" of prosody.Template; without it the model
                  chooses.
                - `rhyme`: True, or a group of 平水韻 such as "東" or "一東".
                - `acrostic`, `telestich`: 2 to 8 characters that the lines begin (藏頭) or end with (藏尾).
                - `keywords`: 1 to 4 words that stand in the poem, each whole in one line, at places that the
                  other rules allow and that each poem draws for itself: `"明月 酒"` or `["明月", "酒"]`.
                - `title`, `author`: the title, and so the topic; the poet whose style the poem imitates.
                - `original`: True if no line of five characters or more may occur in a poem of the corpus,
                  which needs an index (made by `python -m poet_model.novelty build`); or a NoveltyIndex of
                  other poems.
                - `distinct_rhymes`: whether no even line may end with the last word of the first line or of
                  another even line (重韻), even if the poem need not rhyme.
                - `parallel`: 對仗 in the middle couplets of a 五律 or 七律. The second line is led to be
                  parallel to the first; that it repeats no character of it is guaranteed.
                - `best_of`: the number of candidates for each line, one of which is sampled by the
                  probability of its line. It needs a form and multiplies the computation by that number.
                - `look_ahead`: whether the character before a rhyme word is reweighted by how well a rhyme
                  can follow.
                - `seed`: the same seed gives the same poem.
                - `temperature`, `top_k`, `top_p`, `min_p`, `typical_p`, `frequency_penalty`,
                  `guidance_scale`, `mmi_lambda`, `max_length`: see GenerationConfig.

        Returns:
            A Poem, or a list of them if `num_poems` is given.

        Raises:
            UnknownCharacterError: an option has a character that is not in the vocabulary.
            InvalidValueError: an option is invalid or cannot be met; the message says what is possible.
            CheckpointError: `original` is True, and there is no index.

        Example:
            >>> import poet_model
            >>> poems = poet_model.load().generate("春", num_poems=2, form="五絕", rhyme="東", seed=7)
            >>> [poem.lines[-1] for poem in poems]
            ['隔淚插花風。', '黃昏半滿中。']
        """
        count = 1 if num_poems is None else num_poems
        check_number("num_poems", count, 1, MAX_POEMS, whole=True)
        request = self._request(start, unnamed, options)
        poems: list[list[Character]] = [[] for _ in range(count)]
        for committed in decode(self.stepper(), self.vocabulary_masks, request, count):
            for character in committed:
                poems[character.poem].append(character)
        finished = [_poem_of(request, number, characters) for number, characters in enumerate(poems)]
        return finished[0] if num_poems is None else finished

    def stream(self, /, start: str = "", *unnamed: object, **options: Unpack[Options]) -> PoemStream:
        """Writes one poem piece by piece, with the options of `generate`.

        The arguments are checked immediately, not when the first piece is requested.

        Returns:
            An iterator over the pieces, which together are the poem's text. Its `poem` is the Poem so far.

        Raises:
            PoetError: as `generate` does.

        Example:
            >>> import poet_model
            >>> "".join(poet_model.load().stream("春", form="五絕", seed=7))
            '春深接昭陽，漸無全貴國。清夜遊西方，晴落濯飛雪。'
        """
        request = self._request(start, unnamed, options)
        unwritten = _poem_of(request, 0, [])
        return PoemStream(self._stream(request), unwritten, given=len(request.start), heads=request.acrostic)

    def _stream(self, request: Request) -> Generator[str, None, Poem]:
        """Yields the start, if there is one, and then one character or one line at a time."""
        characters: list[Character] = []
        for committed in decode(self.stepper(), self.vocabulary_masks, request):
            characters += committed
            if committed:
                yield "".join(one.character for one in committed)
        return _poem_of(request, 0, characters)

    def _request(self, start: str, unnamed: tuple[object, ...], options: Options) -> Request:
        """The request of a call; `unnamed` holds what was given without a name after the start."""
        if unnamed:
            raise InvalidValueError(
                f"only the start can be given without a name, got {quoted(unnamed[0])} after it; write the "
                "name of the option, as in form='五絕'"
            )
        return Request.make(self.vocabulary_masks, self.generation_config, start, **options)


def _poem_of(request: Request, number: int, characters: list[Character]) -> Poem:
    text = "".join(one.character for one in characters)
    log_probs = tuple(one.log_prob for one in characters)
    return Poem(text, log_probs, request.seed + number, request.title, request.author, request.form)
