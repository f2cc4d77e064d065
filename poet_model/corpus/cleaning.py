"""Cleans raw poems: removes notes, normalizes punctuation, and converts them to traditional script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from .. import script
from ..prosody.lines import form_of, split_lines
from .poems import CorpusReport, PoemRecord
from .sources import RawPoem

MIN_CHARACTERS = 10
# the longest poem of 全唐诗 has 1,600; a text longer than this limit is not a single poem
MAX_CHARACTERS = 4000
MAX_RAW_CHARACTERS = 10_000  # including notes; deeply nested ones are slow to remove
_NOTES = re.compile(r"（[^（）]*）|\([^()]*\)|\{[^{}]*\}|〖[^〖〗]*〗")
_WRAPPERS = str.maketrans("", "", "[]［］《》「」『』“”‘’\"'〔〕")
_FULL_STOPS = str.maketrans({"？": "。", "！": "。", "；": "。", "?": "。", "!": "。", ";": "。"})
_REPEATED_ENDS = re.compile("[，。]*。[，。]*|，+")


def clean_text(text: str) -> tuple[str, str]:
    """Cleans the text of one poem.

    Returns:
        The poem without notes, brackets and quotation marks, with its lines ended by `，` or `。`, and an
        empty string; or, if the text is unusable, an empty string and the reason.
    """
    if len(text) > MAX_RAW_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    text = _fold_line_ends(text).lstrip("，。")
    if not text:
        return "", "empty"
    text = text.rstrip("，。") + "。"
    if len(text) > MAX_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    flaw = _flaw(text)
    return ("", flaw) if flaw else (text, "")


def _fold_line_ends(text: str) -> str:
    """The text without notes and brackets, each line ended by a single full-width `，` or `。`."""
    text = script.fold_punctuation(unwrap(text).translate(_FULL_STOPS))
    return _REPEATED_ENDS.sub(lambda match: "。" if "。" in match[0] else "，", text)


def _flaw(text: str) -> str:
    """What the text contains besides hanzi, `，` and `。`; '' if nothing."""
    if re.search("[□○〇●■◇]", text):
        return "lost characters (□, ○)"
    if re.search("[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]", text):
        return "digits or latin letters"
    return "" if all(c in "，。" or script.is_hanzi(c) for c in text) else "other symbols"


def whole_lines(text: str) -> str:
    """The lines without a flaw; the text unchanged if every line has one, or if it is too long for a poem."""
    if len(text) > MAX_RAW_CHARACTERS:
        return text
    return "".join(line for line in split_lines(_fold_line_ends(text)) if not _flaw(line)) or text


def unwrap(text: str) -> str:
    """Removes editors' notes in （）(){}〖〗, nested ones too, and marks such as 《》 around kept text."""
    while (without := _NOTES.sub("", text)) != text:
        text = without
    return text.translate(_WRAPPERS)


def clean_header(text: str) -> str:
    """Cleans a title or an author's name: keeps its hanzi, with `，` between parts, up to 40 characters."""
    text = "".join(c if script.is_hanzi(c) else " " for c in unwrap(text))
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
        text, reason = clean_text(raw.text) if raw.text is not None else ("", "not a poem record")
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
    """Converts poems to traditional script.

    A poem mostly in simplified script is converted phrase by phrase (OpenCC s2t); in the others only stray
    simplified characters are replaced.
    """
    characters = "".join(sorted({c for poem in poems for c in poem.text + poem.title + poem.author}))
    short = dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))
    full = dict(zip(characters, script.characterwise(script.to_traditional, characters), strict=True))
    stray = {
        c: full[c]
        for c, is_simplified in zip(characters, script.is_only_simplified(characters), strict=True)
        if is_simplified
    }
    result: dict[str, PoemRecord] = {}
    for poem in poems:
        fields = (poem.text, poem.title, poem.author)
        simplified = sum(short[c] == c != full[c] for c in "".join(fields))
        traditional = sum(short[c] != c for c in "".join(fields))
        if simplified > traditional:
            fields = tuple(map(script.to_traditional, fields))
        else:
            fields = tuple("".join(stray.get(c, c) for c in value) for value in fields)
        if fields != (poem.text, poem.title, poem.author):
            report.converted_from_simplified += 1
            poem = PoemRecord(*fields, form=poem.form)
        if poem.text in result:
            report.dropped["the same text again"] = report.dropped.get("the same text again", 0) + 1
        result.setdefault(poem.text, poem)
    return list(result.values())
