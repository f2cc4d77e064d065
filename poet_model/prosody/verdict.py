"""A scansion report in words, Chinese and English: form, opening, rhyme, tones, and what each fault means."""

from __future__ import annotations

from .lines import LINE_ENDS, SHAPES, split_lines
from .rhyme import Rhyme
from .scansion import Scansion
from .templates import L1, L2, L3, L4

FAULT_MEANINGS = {
    "失對": "its second character has the same tone as that of the line before, and should not",
    "失粘": "its second character should have the same tone as that of the line before",
    "孤平": "a level tone alone among oblique ones",
    "三平尾": "three level tones at the end",
    "三仄尾": "three oblique tones at the end",
    "拗": "a break of the pattern that no later character makes good",
    "救": "a break of the pattern that is made good, and so allowed",
    "平仄": "the wrong tone for its place",
    "出韻": "outside the rhyme group",
    "重韻": "the same rhyme word again",
    "未知": "tone unknown",
}
# the traditional name of each template for lines of five; 仄起 and 平起 are swapped for lines of seven
_COURSES = {
    "T1": ("仄起", "首句不入韻"),
    "T2": ("仄起", "首句入韻"),
    "T3": ("平起", "首句不入韻"),
    "T4": ("平起", "首句入韻"),
}
_SHAPES = {4: "quatrain", 8: "eight lines"}
_LEVELS = {
    L2: ("平仄合律（拗而能救）", "tones regular, with a twist made good"),
    L3: ("平仄近律", "tones nearly regular, within what Tang poets accepted"),
    L4: ("平仄只合二四六", "tones regular only in the second, fourth and sixth places"),
}


def verdict_of(report: Scansion) -> tuple[str, str]:
    """The report in one line, in Chinese and in English.

    Example:
        >>> from poet_model.prosody import scan
        >>> verdict_of(scan("白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"))[0]
        '五絕 · 仄起首句不入韻 · 押尤韻 · 平仄合律'
    """
    if not report.form:
        return "不是五絕、七絕、五律、七律", "no regular form"
    lines, length = SHAPES[report.form]
    rhyme, tones = rhyme_verdict(report.rhyme), _tones(report)
    course = ["".join(course_of(report))] if report.level <= L4 else []  # an irregular poem follows none
    chinese = [report.form, *course, rhyme[0], tones[0]]
    english = [f"{_SHAPES[lines]}, {length} characters a line", rhyme[1], tones[1]]
    return " · ".join(chinese), " · ".join(english)


def course_of(report: Scansion) -> tuple[str, str]:
    """How the poem begins, such as (仄起, 首句入韻).

    The template says how the tones begin; whether the first line really rhymes is taken from the report.
    """
    opening, first = _COURSES[report.template]
    if SHAPES[report.form][1] == 7:
        opening = "平起" if opening == "仄起" else "仄起"
    if not report.rhyme.status:  # there is nothing that the first line could rhyme with
        first = ""
    # the template may say otherwise: if the word has readings of both tones, either template fits
    elif report.rhyme.first_line == "入韻":
        first = "首句入韻"
    elif first == "首句入韻" and report.rhyme.status == "平":
        first = "首句入鄰韻" if report.rhyme.first_line else "首句平收不入韻"
    return opening, first


def rhyme_words(text: str, report: Scansion) -> list[str]:
    """The last characters of the lines that rhyme: the even ones, and the first if it does; [] if none do.

    Args:
        text: the poem, each line ended by `，` or `。`.
    """
    if not report.rhyme.status:
        return []
    lines = [line.rstrip(LINE_ENDS) for line in split_lines(text)]
    rhyming = lines[1::2]
    if report.rhyme.first_line:
        rhyming = [lines[0], *rhyming]
    return [line[-1] for line in rhyming]


def rhyme_verdict(rhyme: Rhyme) -> tuple[str, str]:
    """How a poem rhymes, in Chinese and in English: 押尤韻, 押真文鄰韻, 押屑入聲韻 or 不押韻."""
    groups, letters = "、".join(rhyme.groups), " ".join(rhyme.groups)
    return {
        "平": (f"押{groups}韻", f"rhymes in {letters}"),
        "鄰": (f"押{groups}鄰韻", f"rhymes in neighbouring groups, {letters}"),
        "仄": (f"押{groups}聲韻", f"rhymes in {letters}, oblique"),
        "": ("不押韻", "no rhyme"),
    }[rhyme.status]


def _tones(report: Scansion) -> tuple[str, str]:
    if report.level <= L1:
        return "平仄合律", "tones regular"
    if report.level in _LEVELS:
        return _LEVELS[report.level]
    if report.couplets_fit:
        return (
            "各聯合律而失粘",
            "each couplet regular, but its tones do not link to the couplet before (失粘)",
        )
    return "平仄不合律", "tones not regular"
