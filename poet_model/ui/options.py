"""The values of the page's controls, checked and turned into options of `PoetModel.generate`.

A raw request may send any value for any control.
"""

from __future__ import annotations

import math

from ..errors import InvalidValueError
from ..generation.applicable import applicable
from ..novelty.index import NoveltyIndex
from ..script import is_hanzi, to_simplified

ANY_FORM = "不限 any"
RHYME, TONES = "rhyme", "tones"  # the rules that the page offers, by their names in `generate`
MAX_SEED = 2**31 - 1
MAX_START = 40
MAX_BEST_OF = 16  # candidates of a line: a visitor's share of two cores
MAX_TYPED = 2000  # a box takes more than can be used: a pasted text is answered, not cut in silence


def options_of(
    *,
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
    index: NoveltyIndex | None = None,
) -> dict:
    """The options of `PoetModel.generate` for these values; those that need a form are dropped without one.

    Args:
        start, form, title, author, acrostic: text; None counts as empty.
        temperature, top_k, seed, best_of: numbers; top_k and best_of are rounded to whole ones.
        rules: any of RHYME and TONES; None counts as neither.
        original: whether no line may stand in `index`.

    Raises:
        InvalidValueError: a value is of the wrong kind, or more than the page allows.
    """
    texts = _texts(start=start, form=form, title=title, author=author, acrostic=acrostic)
    _check_start(texts["start"])
    _check_acrostic(texts["acrostic"], texts["start"])
    numbers = _numbers(temperature=temperature, top_k=top_k, seed=seed, best_of=best_of)
    options = applicable(texts | numbers | _rules(rules))
    if original:
        options["original"] = index or True  # without an index the model says how to make one
    return options


def _texts(**texts: str | None) -> dict[str, str]:
    texts = {name: "" if text is None else text for name, text in texts.items()}
    if not all(isinstance(text, str) and len(text) <= MAX_TYPED for text in texts.values()):
        raise InvalidValueError(
            f"every box takes text, {MAX_TYPED} characters at most",
            chinese=f"各欄請填文字，最多 {MAX_TYPED} 字。",
        )
    texts = {name: text.strip() for name, text in texts.items()}
    return texts | {"form": "" if texts["form"] == ANY_FORM else texts["form"]}


def _check_start(start: str) -> None:
    """Answers what people paste into the box before the model is asked."""
    letters = "".join(start.split())
    if len(letters) > MAX_START:
        raise InvalidValueError(
            f"the start has {len(letters)} characters; {MAX_START} at most: keep a line or two",
            chinese=f"起首有 {len(letters)} 字，最多 {MAX_START} 字，請只留一兩句。",
        )
    if letters and not any(is_hanzi(c) for c in letters):
        raise InvalidValueError(
            "begin with Chinese characters, such as 春 or 明月, or leave it empty",
            chinese="起首請用漢字，例如「春」「明月」；留空也可以。",
        )


def _check_acrostic(acrostic: str, start: str) -> None:
    """Refuses a start that does not begin with the acrostic, such as the one that the page opens with."""
    if acrostic and start and to_simplified(acrostic[0]) != to_simplified(start[0]):
        raise InvalidValueError(
            f"with an acrostic leave the start empty, or begin it with {acrostic[0]}",
            chinese=f"藏頭時起首請留空，或以「{acrostic[0]}」開頭。",
        )


def _numbers(*, temperature: float, top_k: float, seed: float, best_of: float) -> dict[str, float]:
    if not all(map(_is_number, (temperature, top_k, seed, best_of))):
        raise InvalidValueError(
            "temperature, top-k, seed and best of must be numbers",
            chinese="溫度、候選字數、種子和選優都須是數字。",
        )
    if not 1 <= round(best_of) <= MAX_BEST_OF:
        raise InvalidValueError(
            f"best of lines goes from 1 to {MAX_BEST_OF}, got {best_of}",
            chinese=f"每句選優請取 1 至 {MAX_BEST_OF}。",
        )
    seed = min(max(int(seed), 0), MAX_SEED)
    return {"temperature": temperature, "top_k": round(top_k), "seed": seed, "best_of": round(best_of)}


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _rules(rules: list[str] | None) -> dict[str, bool]:
    rules = [] if rules is None else rules
    if not isinstance(rules, list) or not all(rule in (RHYME, TONES) for rule in rules):
        raise InvalidValueError(
            f"rules are {RHYME} and {TONES}, or neither", chinese=f"格律只有 {RHYME} 和 {TONES} 兩項。"
        )
    return {rule: rule in rules for rule in (RHYME, TONES)}
