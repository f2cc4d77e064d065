"""Reads the keywords of a request: words that must stand in the poem."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InvalidValueError, UnknownCharacterError, excerpt, quoted
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES, split_lines
from ..script import is_hanzi
from ..tokenizer import PoetTokenizer

MAX_KEYWORDS = 4
MAX_TYPED = 2000  # characters as people write them; those of a longer text are not even counted
_BETWEEN = re.compile(r"[\s|/]+")
_EXPECTED = f"keywords must be 1 to {MAX_KEYWORDS} words of hanzi, as text or as a list"
_IN_CHINESE = "詞語要 1 至 4 個，用空格或頓號隔開"


def keywords_of(tokenizer: PoetTokenizer, form: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """The keywords in the model's script, without those that are part of another.

    Args:
        tokenizer: the model's tokenizer.
        form: the form of the poem; '' if none is given.
        given: the keywords, as a list or tuple, or as one text with spaces or punctuation between them.

    Raises:
        UnknownCharacterError: a character is not in the vocabulary.
        InvalidValueError: there are too many, one occurs twice, is too long for a line, or is not of hanzi.
    """
    text = _text_of(given)
    lines = split_lines(tokenizer.normalize(text))
    words = [word for line in lines if (word := line.rstrip(LINE_ENDS))]
    if text and not 1 <= len(words) <= MAX_KEYWORDS:
        raise InvalidValueError(
            f"{_EXPECTED}, got {len(words)}: {quoted(text)}; {'remove' if words else 'add'} some",
            chinese=f"{_IN_CHINESE}，現有 {len(words)} 個。",
        )
    longest = SHAPES[form][1] if form else max(length for _, length in SHAPES.values())
    for number, word in enumerate(words):
        _check(tokenizer, word, form, longest)
        if word in words[:number]:
            raise InvalidValueError(
                f"the keyword {word!r} is given twice; leave one of them out",
                chinese=f"詞語「{word}」寫了兩次，請刪去一個。",
            )
    return tuple(word for word in words if not any(word in other != word for other in words))


def _text_of(given: str | Sequence[str]) -> str:
    """The keywords as one text, with line ends between them."""
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words[:MAX_TYPED]):
        raise InvalidValueError(f"{_EXPECTED}, got {quoted(given)}", chinese=f"{_IN_CHINESE}。")
    if (count := sum(map(len, words[:MAX_TYPED])) + len(words)) > MAX_TYPED:
        raise InvalidValueError(
            f"{_EXPECTED}, got {count:,} characters; at most {MAX_TYPED:,} fit: shorten them",
            chinese=f"{_IN_CHINESE}；現有 {count} 字，請刪短些。",
        )
    return _BETWEEN.sub("，", "，".join(words).strip())


def _check(tokenizer: PoetTokenizer, word: str, form: str, longest: int) -> None:
    if odd := [character for character in word if not is_hanzi(character)]:
        raise InvalidValueError(
            f"{_EXPECTED}, got {quoted(odd[0])} in {quoted(word)}; remove that character",
            chinese=f"{_IN_CHINESE}；「{excerpt(odd[0])}」不是漢字，請刪去。",
        )
    if len(word) > longest:
        line = f"a line of {form}" if form else "the longest line"
        longer = "".join(f"use {other}, or " for other in _longer(len(word), form))
        raise InvalidValueError(
            f"the keyword {quoted(word)} has {len(word)} characters, and {line} has {longest}; {longer}"
            "give a shorter one",
            chinese=f"詞語「{excerpt(word)}」有 {len(word)} 字，一句只有 {longest} 字，請改短些。",
        )
    for character in word:
        if character not in tokenizer:
            raise UnknownCharacterError(character, tokenizer.suggest(character), f"the keyword {word}")


def _longer(count: int, form: str) -> list[str]:
    """The form with as many lines whose lines have room for `count` characters, if there is one."""
    lines = SHAPES[form][0] if form else 0
    return [f"form={other!r}" for other in FORMS if SHAPES[other][0] == lines and SHAPES[other][1] >= count]
