"""Finds what shows that a raw text is damaged: lost characters, numbers of notes, headings, torn brackets."""

from __future__ import annotations

import re

from ..prosody.lines import read_lines

LOST = "lost characters (□, {釒基}, 下缺)"
NOTES = "notes, or numbers of notes, in the text"
HEADINGS = "headings in the text"
LONE_BRACKET = "a bracket without its pair"
SYMBOLS = "other symbols"
MAX_LACUNA = 16  # characters of a note on lost text; longer notes discuss something else
_NOTE = re.compile(r"（[^（）]*）|\([^()]*\)|〖[^〖〗]*〗")
# □ and its stand-ins, a rare character by its parts (⿰釒基, {釒基}), and an ellipsis
_LOST_MARK = re.compile("[□○〇●■◇囗▢☐◎△▲×✕✖〓\ufffd*＊_＿…⋯{}｛｝\u2ff0-\u2fff]|\\.\\.")
# a note that says so: （下缺） （以下缺） （缺二字） （此間似脫一句）, but not （闕名） or （京本作「殘」）
_LACUNA = re.compile(
    "(?:^|[上下中前後后原似疑本以首末尾])[缺闕阙脫脱殘残佚](?:去|文|第?[一二三四五六七八九十百數数幾几兩两]*[字句聯联行首韻韵])?$"
)
_NOTE_NUMBER = re.compile(r"[\[［〔【][一二三四五六七八九十〇○\d]+[\]］〕】]")
DYNASTY = (
    "(?:先秦|[秦漢汉魏晉晋隋唐宋遼辽金元明清]|[兩两東东西][漢汉晉晋]|[南北][朝宋]|五代|[近現现當当]代)[代朝]?"
)
IN_BRACKETS = rf"\s*[\[［〔【(（〈]\s*{DYNASTY}\s*[\]］〕】)）〉]\s*"  # [唐] or 〔唐代〕
_HEADING = re.compile(
    "(?:[詩诗]?[題题]目?|[標标][題题]|作者|朝代|[內内]容|正文|首句|出[處处]|其[一二三四五六七八九十]+"
    "|[注註][釋释解]|[譯译]文|[賞赏評评]析|[說说]明)\\s*[:：]"
    f"|^\\s*[一二三四五六七八九十]+[、.．]|^{IN_BRACKETS}"
)
# parts of characters that are no words, so that （氵彔） describes a rare character
_COMPONENT = re.compile("[氵忄扌犭釒飠糹亻礻衤疒艹辶阝灬刂冖宀丷]")
_BRACKETED = re.compile(r"[\[［〔《〈「【]([^\]］〕》〉」】]*)[\]］〕》〉」】]")
_READING = re.compile("一作|一本|[原當当應应疑又]作|[按注校]：|^[按注校音].")
_PAIRS = ("（）", "()", "[]", "［］", "〖〗", "〔〕", "【】", "《》", "〈〉")


def remove_notes(text: str) -> tuple[str, list[str]]:
    """The text without editors' notes in （） () and 〖〗, nested ones too, and the notes."""
    notes: list[str] = []
    while found := _NOTE.findall(text):
        notes += (note[1:-1] for note in found)
        text = _NOTE.sub("", text)
    return text, notes


def mark_lost(text: str) -> str:
    """The text with `□` in place of each rare character that is described by its parts, as in {釒基}."""
    return re.sub(r"[{｛][^{}｛｝]*[}｝]?", "□", text)


def damage_of(text: str) -> str:
    """The reason why a text cannot be read as it was written; '' if it is whole."""
    bare, notes = remove_notes(text)
    bracketed = _BRACKETED.findall(bare)
    is_lost = _LOST_MARK.search(bare) or _COMPONENT.search(bare)
    if is_lost or any(map(_is_lacuna, [*notes, *bracketed])) or any(map(_is_description, notes)):
        return LOST
    if _NOTE_NUMBER.search(bare) or any(map(_READING.search, bracketed)):
        return NOTES
    if any(bare.count(pair[0]) != bare.count(pair[1]) for pair in _PAIRS):
        return LONE_BRACKET
    if _HEADING.search(text) or _HEADING.search(bare):
        return HEADINGS
    return SYMBOLS if re.search("[—―─]", bare) else ""


def _is_lacuna(note: str) -> bool:
    return len(note) <= MAX_LACUNA and _LACUNA.search("".join(read_lines(note))) is not None


def _is_description(note: str) -> bool:
    """Whether a note is no note but a rare character, described by its parts."""
    return len(note) <= 6 and _COMPONENT.search(note) is not None
