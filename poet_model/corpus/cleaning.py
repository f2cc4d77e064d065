"""Cleans raw poems: removes notes, normalizes punctuation, and converts them to traditional script."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from .. import script
from ..prosody.lines import LINE_ENDS, form_of, line_lengths, read_stretches
from .damage import DYNASTY, IN_BRACKETS, SYMBOLS, damage_of, mark_lost, remove_notes
from .poems import CorpusReport, PoemRecord
from .records import RawPoem, read_label
from .traditional import traditional_forms
from .verse import arrange

MIN_CHARACTERS = 10
# the longest poem of 全唐诗 has 1,600; a text longer than this limit is not a single poem
MAX_CHARACTERS = 4000
MAX_RAW_CHARACTERS = 10_000  # including notes; deeply nested ones are slow to remove
MAX_LINE_LENGTH = 16  # characters; longer stretches are prose, or lines whose ends are lost
MIN_GLUED_LENGTH = 10  # if all lines are as long as this, each is a couplet that lacks the mark in its middle
MIN_LINE_LENGTH = 3  # of at least one line
# a dynasty in brackets before or after a name, or 唐· or 唐： before it
_DYNASTY = re.compile(f"^{IN_BRACKETS}(?=.)|(?<=.){IN_BRACKETS}$|^{DYNASTY}[·•・．:：|](?=.)")
_WRAPPERS = str.maketrans("", "", "[]［］《》「」『』“”‘’\"'〔〕")


def clean_text(text: str) -> tuple[str, str]:
    """Cleans the text of one poem.

    Returns:
        The poem without notes, brackets and quotation marks, with its lines ended by `，` or `。`, and an
        empty string; or, if the text is unusable, an empty string and the reason.
    """
    if len(text) > MAX_RAW_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    text = html.unescape(text)
    if damage := damage_of(text):
        return "", damage
    text, torn = arrange(unwrap(text))
    if torn:
        return "", torn
    if not text:
        return "", "empty"
    if len(text) > MAX_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    flaw = _flaw(text) or _flaw_of_lengths(line_lengths(text))
    return ("", flaw) if flaw else (text, "")


def _flaw_of_lengths(lengths: Sequence[int]) -> str:
    """What the lengths of lines show: that they are no verse, or several in one; '' if nothing."""
    if max(lengths) > MAX_LINE_LENGTH:
        return f"a line of over {MAX_LINE_LENGTH} characters"
    if min(lengths) >= MIN_GLUED_LENGTH:
        return f"no line of under {MIN_GLUED_LENGTH} characters"
    return "" if max(lengths) >= MIN_LINE_LENGTH else f"no line of {MIN_LINE_LENGTH} or more characters"


def _flaw(text: str) -> str:
    """What the text contains besides hanzi, `，` and `。`; '' if nothing."""
    if re.search("[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]", text):
        return "digits or latin letters"
    return "" if all(c in LINE_ENDS or script.is_hanzi(c) for c in text) else SYMBOLS


def whole_lines(text: str) -> str:
    """The lines without a flaw; the text unchanged if every line has one, or if it is too long for a poem."""
    if len(text) > MAX_RAW_CHARACTERS:
        return text
    lines = read_stretches(mark_lost(unwrap(text)))
    whole = [(line, mark or "，") for line, mark in lines if not (damage_of(line) or _flaw(line))]
    return "".join(map("".join, whole)) or text


def unwrap(text: str) -> str:
    """Removes editors' notes in （）()〖〗, nested ones too, and marks such as 《》 around kept text."""
    return remove_notes(text)[0].translate(_WRAPPERS)


def clean_header(text: str) -> str:
    """Cleans a title or an author's name: keeps its hanzi, with `，` between parts, up to 40 characters.

    A label such as `作者：` and a dynasty such as `[唐]` or `唐·` in front are no part of it.
    """
    text = _DYNASTY.sub("", read_label(html.unescape(text))[1])
    text = "".join(c if script.is_hanzi(c) else " " for c in unwrap(mark_lost(text)))
    return "，".join(text.split())[:40].rstrip("，")


def clean(
    records: Iterable[RawPoem],
    report: CorpusReport,
    *,
    is_traditional: bool = False,
    min_characters: int = MIN_CHARACTERS,
) -> list[PoemRecord]:
    """Cleans records and returns the usable poems; of equal texts, only the first is kept.

    Args:
        records: the records of a source.
        report: its counts of records read, dropped (by reason) and converted are updated.
        is_traditional: whether the source is in traditional script; nothing is converted then.
        min_characters: shorter poems are dropped; the count includes punctuation.
    """
    dropped: Counter[str] = Counter()
    kept: dict[str, tuple[str, str]] = {}
    for raw in records:
        report.read += 1
        text, reason = clean_text(raw.text) if raw.text is not None else ("", raw.reason)
        if not reason and len(text) < min_characters:
            reason = f"under {min_characters} characters"
        if not reason and text in kept:
            reason = "the same text again"
        if reason:
            dropped[reason] += 1
        else:
            kept[text] = (clean_header(raw.title), clean_header(raw.author))
    report.dropped = dict(dropped)
    poems = [PoemRecord(text, title, author, form_of(text)) for text, (title, author) in kept.items()]
    return poems if is_traditional else _to_traditional(poems, report)


def _to_traditional(poems: list[PoemRecord], report: CorpusReport) -> list[PoemRecord]:
    """Converts poems to traditional script, with the characters that 全唐詩 writes.

    In a poem mostly in simplified script, every character is converted; in the others, only stray simplified
    characters are.
    """
    characters = "".join(sorted({c for poem in poems for c in poem.text + poem.title + poem.author}))
    short = script.characterwise(script.to_simplified, characters)
    full = script.characterwise(script.to_traditional, characters)
    forms = zip(characters, short, full, strict=True)
    signs = {c: 1 if c == s else -1 for c, s, t in forms if not c == s == t}
    is_stray = zip(characters, script.is_only_simplified(characters), strict=True)
    stray = frozenset(c for c, is_one in is_stray if is_one)
    result: dict[str, PoemRecord] = {}
    for poem in poems:
        fields = (poem.text, poem.title, poem.author)
        changed = _changeable("".join(fields), signs, stray)
        if changed and (restored := _restore(fields, changed)) != fields:
            report.converted_from_simplified += 1
            text, title, author = restored
            poem = PoemRecord(text, title, author, poem.form)
        if poem.text in result:
            report.dropped["the same text again"] = report.dropped.get("the same text again", 0) + 1
        result.setdefault(poem.text, poem)
    return list(result.values())


def _changeable(text: str, signs: Mapping[str, int], stray: Set[str]) -> Set[str]:
    """The characters of a poem that are to be converted.

    Args:
        text: the poem with its header.
        signs: 1 for the characters that simplified text has, such as 风 and 云, and -1 for those that only
            traditional text has.
        stray: the characters that only simplified text has: 风, but not 云, which is a word of its own.
    """
    own = frozenset(text)
    found = [signs[c] for c in text if c in signs]
    is_simplified = sum(found) > 0 and (-1 not in found or not stray.isdisjoint(own))
    return own if is_simplified else own & stray


def _restore(fields: tuple[str, str, str], changeable: Set[str]) -> tuple[str, ...]:
    """The text, title and author of a poem, with traditional characters in place of the changeable ones."""
    return tuple(
        "".join(new if old in changeable else old for old, new in zip(before, after, strict=True))
        for before, after in zip(fields, traditional_forms().restore(*fields), strict=True)
    )
