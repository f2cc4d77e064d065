"""What the controls say, checked and put as wishes to the model. A raw request may say anything."""

from __future__ import annotations

import math

from ..errors import PoetError
from ..novelty.index import NoveltyIndex
from ..script import is_hanzi, to_simplified

ANY_FORM = "不限 any"
RHYME, TONES = "rhyme", "tones"
MAX_SEED = 2**31 - 1
MAX_START = 40
MAX_BEST_OF = 16  # candidates of a line: a visitor's share of two cores
MAX_TYPED = 2000  # a box takes more than can be used: a pasted text is answered, not cut in silence


def wishes_of(
    start: str | None,
    form: str | None,
    temperature: float,
    top_k: float,
    seed: float,
    title: str | None = "",
    author: str | None = "",
    rules: list[str] | None = None,
    acrostic: str | None = "",
    best_of: float = 1,
    original: bool | None = False,
    known_lines: NoveltyIndex | None = None,
) -> dict:
    """The arguments of `PoetModel.stream`; rules and the best of lines are left out where there is no form.

    Args:
        start, form, title, author, acrostic: text; null is none.
        temperature, top_k, seed, best_of: numbers; those between two whole ones are rounded.
        rules: which of RHYME and TONES; null is neither.
        original: whether no line may stand in `known_lines`.

    Raises:
        PoetError: a value is of the wrong kind, or more than the page gives.
    """
    texts = {"start": start, "form": form, "title": title, "author": author, "acrostic": acrostic}
    texts = {name: "" if text is None else text for name, text in texts.items()}
    if not all(isinstance(text, str) and len(text) <= MAX_TYPED for text in texts.values()):
        raise PoetError(
            f"every box takes text, {MAX_TYPED} characters at most",
            chinese=f"各欄請填文字，最多 {MAX_TYPED} 字。",
        )
    texts = {name: text.strip() for name, text in texts.items()}
    _check_start(texts["start"])
    _check_heads(texts["acrostic"], texts["start"])
    if not all(map(_is_number, (temperature, top_k, seed, best_of))):
        raise PoetError(
            "temperature, top-k, seed and best of must be numbers",
            chinese="溫度、候選字數、種子和選優都須是數字。",
        )
    if not 1 <= round(best_of) <= MAX_BEST_OF:
        raise PoetError(
            f"best of lines goes from 1 to {MAX_BEST_OF}, got {best_of}",
            chinese=f"每句選優請取 1 至 {MAX_BEST_OF}。",
        )
    rules = [] if rules is None else rules
    if not isinstance(rules, list) or not all(rule in (RHYME, TONES) for rule in rules):
        raise PoetError(
            f"rules are {RHYME} and {TONES}, or neither", chinese=f"格律只有 {RHYME} 和 {TONES} 兩項。"
        )
    wishes = texts | {"form": "" if texts["form"] == ANY_FORM else texts["form"]}
    wishes |= {"temperature": temperature, "top_k": round(top_k), "seed": min(max(int(seed), 0), MAX_SEED)}
    if wishes["form"] or wishes["acrostic"]:  # an acrostic brings a form along
        wishes |= {rule: rule in rules for rule in (RHYME, TONES)} | {"best_of": round(best_of)}
    if original:
        wishes["original"] = known_lines or True  # without an index the model says how to make one
    return wishes


def _check_start(start: str) -> None:
    """Answers what people paste into the box before the model is asked."""
    letters = "".join(start.split())
    if len(letters) > MAX_START:
        raise PoetError(
            f"the start has {len(letters)} characters; {MAX_START} at most: keep a line or two",
            chinese=f"起首有 {len(letters)} 字，最多 {MAX_START} 字，請只留一兩句。",
        )
    if letters and not any(is_hanzi(c) for c in letters):
        raise PoetError(
            "begin with Chinese characters, such as 春 or 明月, or leave it empty",
            chinese="起首請用漢字，例如「春」「明月」；留空也可以。",
        )


def _check_heads(acrostic: str, start: str) -> None:
    """Refuses a start that does not begin with the first head, as the page's own first one would not."""
    if acrostic and start and to_simplified(acrostic[0]) != to_simplified(start[0]):
        raise PoetError(
            f"with an acrostic leave the start empty, or begin it with {acrostic[0]}",
            chinese=f"藏頭時起首請留空，或以「{acrostic[0]}」開頭。",
        )


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)
