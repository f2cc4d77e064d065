"""Converts between simplified and traditional script, and folds punctuation. It does not deal with poems."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .terminal import valid_text

if TYPE_CHECKING:
    from opencc import OpenCC

# by what a mark becomes; … is `...` in NFKC, and full-width marks are half-width ones
_COMMAS, _STOPS = ",､、﹐;；，", ".．｡?!？！。…"
MARKS_OF_VERSE = _COMMAS + _STOPS  # all that end a line, but for those that a title may have too
_LINE_ENDS = str.maketrans(dict.fromkeys(_COMMAS + ":：", "，") | dict.fromkeys(_STOPS + "⋯—―─‥·•", "。"))
_INVISIBLE = {"Cf", "Cc"}  # format and control characters
_KEPT_BY_SIMPLIFIED = "乾徵"  # used in both scripts, in 乾坤 and 宮商角徵羽
_KEPT_BY_TRADITIONAL = "却荆迹脚烟脉凭笋衮恒葱虬耻叶姹灾踪强猪凉咤携"  # used in 全唐詩, but not in Big5


@functools.cache
def _opencc(name: str) -> OpenCC:
    import opencc  # imported here because it takes 50 ms

    return opencc.OpenCC(name)


def to_simplified(text: str) -> str:
    """Converts traditional text to simplified characters (OpenCC t2s, by phrase: 乾坤 keeps 乾)."""
    return str(_opencc("t2s").convert(valid_text(text)))


def to_traditional(text: str) -> str:
    """Converts simplified text to traditional characters (OpenCC s2t, by phrase).

    A single character may have several traditional forms, of which one is guessed.
    """
    return str(_opencc("s2t").convert(valid_text(text)))


def characterwise(convert: Callable[[str], str], characters: Sequence[str]) -> list[str]:
    """Converts each character by itself, in one call; line breaks between them prevent matches of phrases."""
    return convert("\n".join(characters)).split("\n") if characters else []


def fold_characters(text: str) -> str:
    """Makes compatibility characters ordinary ones (NFKC: ⼭ is 山) and removes invisible ones.

    Removed are format and control characters, such as the zero-width space and the soft hyphen, and variation
    selectors. Spaces, tabs and line breaks stay, however they are written. Lone surrogates, which no file and
    no answer can hold, become U+FFFD.
    """
    visible = "".join(
        c
        for c in unicodedata.normalize("NFKC", valid_text(text))
        if c.isspace() or not (unicodedata.category(c) in _INVISIBLE or _is_variation_selector(c))
    )
    return unicodedata.normalize("NFC", visible)  # an accent may now stand beside its letter


def fold_line_ends(text: str) -> str:
    """Makes each mark that ends a line `，` or `。`."""
    return text.translate(_LINE_ENDS)


def fold_punctuation(text: str) -> str:
    """Folds characters and line ends, and removes all white space."""
    return unicodedata.normalize("NFC", "".join(fold_line_ends(fold_characters(text)).split()))


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


_HANZI = re.compile(
    "[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f\U00030000-\U000323af]"
)


def is_hanzi(character: str) -> bool:
    """Whether a character is a Chinese character, including supplementary planes and 〇."""
    return _HANZI.fullmatch(character) is not None


def is_only_traditional(text: str) -> list[bool]:
    """For each character, whether it occurs only in traditional text: 雲 does, 云 and 山 do not."""
    characters = [c if is_hanzi(c) and c not in _KEPT_BY_SIMPLIFIED else "，" for c in text]
    return [c != s for c, s in zip(characters, characterwise(to_simplified, characters), strict=True)]


def is_only_simplified(text: str) -> list[bool]:
    """For each character, whether it occurs only in simplified text: 风 does, 云 and 山 do not.

    A simplified form that is also a word in traditional text does not count: one in Big5, the traditional
    character set (云, 里, 后), or one of a few variants that 全唐詩 uses.
    """
    characters = [c if is_hanzi(c) else "，" for c in text]
    short = characterwise(to_simplified, characters)
    full = characterwise(to_traditional, characters)
    return [
        c == s != f and not c.encode("big5", "ignore") and c not in _KEPT_BY_TRADITIONAL
        for c, s, f in zip(characters, short, full, strict=True)
    ]


class TraditionalScript:
    """Converts text in either script to the characters of one traditional vocabulary.

    Args:
        characters: the vocabulary, most frequent first. A simplified character with several traditional forms
            (发: 發, 髮) is converted to the first of them.
    """

    def __init__(self, characters: Iterable[str]):
        characters = [c for c in characters if is_hanzi(c)]
        simplified = characterwise(to_simplified, characters)
        self._known = frozenset(characters)
        self._forms: dict[str, list[str]] = {}
        for character, short in zip(characters, simplified, strict=True):
            self._forms.setdefault(short, []).append(character)

    def variants(self, character: str) -> list[str]:
        """The other characters of the vocabulary with the same simplified form, most frequent first."""
        return [
            c for c in self._forms.get(characterwise(to_simplified, [character])[0], []) if c != character
        ]

    def convert(self, text: str) -> str:
        """Folds punctuation and converts a text to the vocabulary's characters.

        Characters without a known form stay unchanged.
        A text with a character that only traditional script has is treated as traditional. Then 云 and 里
        stay unchanged, because they are words of their own in that script.
        """
        text = fold_punctuation(text)
        is_traditional = any(is_only_traditional(text))
        return "".join(self._convert_one(c, is_traditional) for c in text)

    def _convert_one(self, character: str, is_traditional: bool) -> str:
        if character in self._known and is_traditional:
            return character
        if character in self._forms:  # it is itself a simplified form
            return self._forms[character][0]
        if character not in self._known and is_hanzi(character):
            return next(iter(self.variants(character)), character)
        return character
