"""Validates the values of the page's controls and converts them to options of `PoetModel.generate`.

Every value is checked, because a raw request may send anything for any control.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import InvalidValueError, excerpt, quoted
from ..generation.applicable import applicable
from ..novelty.index import NoveltyIndex
from ..prosody.lines import read_lines
from ..script import is_hanzi, to_simplified

ANY_FORM = "不限 any"
# the rules that the page offers, by their names in `generate`
RULES = RHYME, TONES, PARALLEL = "rhyme", "tones", "parallel"
MAX_SEED = 2**31 - 1
MAX_START = 40
MAX_BEST_OF = 16  # candidates per line; limits the load of one visitor on a machine with two cores
MAX_TYPED = 2000  # more than can be used, so that a long pasted text gets a message instead of being cut off


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
    keywords: str | None = "",
    index: NoveltyIndex | None = None,
) -> dict[str, Any]:
    """The options of `PoetModel.generate` for the given values.

    Options that need a form are dropped if there is none.

    Args:
        start, form, title, author, acrostic, keywords: text; None counts as empty.
        temperature, top_k, seed, best_of: numbers; top_k and best_of are rounded to integers.
        rules: any of RULES; None counts as empty.
        original: whether to exclude lines that occur in `index`.

    Raises:
        InvalidValueError: a value has the wrong type or exceeds a limit of the page.
    """
    texts = _texts(start=start, form=form, title=title, author=author, acrostic=acrostic, keywords=keywords)
    _check_start(texts["start"])
    _check_acrostic(texts["acrostic"], texts["start"])
    numbers = _numbers(temperature=temperature, top_k=top_k, seed=seed, best_of=best_of)
    options = applicable(texts | numbers | _rules(rules))
    chosen = original_of(original, index)
    return options | {"original": chosen} if chosen else options


def original_of(original: bool | None, index: NoveltyIndex | None) -> NoveltyIndex | bool:
    """The option `original` for this choice: the index of the page, or False.

    Raises:
        InvalidValueError: the page has no index, or the choice is none. (The model's own error would name a
            folder of the server.)
    """
    if not isinstance(original, (bool, type(None))):
        raise InvalidValueError(
            f"original must be true or false, got {quoted(original)}", chinese="原創只能選或不選。"
        )
    if original and index is None:
        raise InvalidValueError(
            "there is no index of 全唐詩 on this server; leave original out",
            chinese="這裡沒有全唐詩的索引，請不要選「原創」。",
        )
    return index if original and index else False


def _texts(**texts: str | None) -> dict[str, str]:
    given = {name: "" if text is None else text for name, text in texts.items()}
    if not all(isinstance(text, str) and len(text) <= MAX_TYPED for text in given.values()):
        raise InvalidValueError(
            f"every box takes text of at most {MAX_TYPED} characters",
            chinese=f"各欄請填文字，最多 {MAX_TYPED} 字。",
        )
    given = {name: text.strip() for name, text in given.items()}
    return given | {"form": "" if given["form"] in (ANY_FORM, *ANY_FORM.split()) else given["form"]}


def _check_start(start: str) -> None:
    """Rejects long texts and texts without hanzi, which people paste into the box, with a helpful message."""
    letters = "".join(read_lines(start))
    if len(letters) > MAX_START:
        raise InvalidValueError(
            f"the start has {len(letters)} characters; keep a line or two, {MAX_START} characters at most",
            chinese=f"起首有 {len(letters)} 字，最多 {MAX_START} 字，請只留一兩句。",
        )
    if start and not any(is_hanzi(c) for c in letters):
        raise InvalidValueError(
            "begin with Chinese characters, such as 春 or 明月, or leave it empty",
            chinese="起首請用漢字，例如「春」「明月」；留空也可以。",
        )


def _check_acrostic(acrostic: str, start: str) -> None:
    """Rejects a start and an acrostic that begin differently, as the page's initial start usually does."""
    head, first = ("".join(read_lines(text))[:1] for text in (acrostic, start))
    if head and first and to_simplified(head) != to_simplified(first):
        raise InvalidValueError(
            f"with an acrostic, leave the start empty or begin it with {excerpt(head)}",
            chinese=f"藏頭時起首請留空，或以「{excerpt(head)}」開頭。",
        )


def _numbers(*, temperature: float, top_k: float, seed: float, best_of: float) -> dict[str, float]:
    if not all(map(_is_number, (temperature, top_k, seed, best_of))):
        raise InvalidValueError(
            "Temperature, top-k, seed and 'best of lines' must be numbers",
            chinese="溫度、候選字數、種子和選優都須是數字。",
        )
    if not 1 <= round(best_of) <= MAX_BEST_OF:
        raise InvalidValueError(
            f"The option 'best of lines' must be from 1 to {MAX_BEST_OF}, got {quoted(best_of)}",
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
    if not isinstance(rules, list) or not all(rule in RULES for rule in rules):
        raise InvalidValueError(
            f"rules must be a list of none, some or all of {', '.join(RULES)}",
            chinese=f"格律只有 {'、'.join(RULES)} 幾項。",
        )
    return {rule: rule in rules for rule in RULES}
