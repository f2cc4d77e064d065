"""Wishes fitted to a form, and the nearest that can be where they cannot."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .. import prosody
from ..errors import InvalidValueError
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES
from ..prosody.templates import L1, L2
from ..script import is_hanzi
from ..tokenizer import PoetTokenizer
from .form import RegularForm

_EDGES = {"acrostic": "藏頭", "telestich": "藏尾"}


def edges_of(
    tokenizer: PoetTokenizer, form: str, acrostic: str, telestich: str, start: str
) -> tuple[str, str, str]:
    """The form, heads and tails of an acrostic and a telestich, in the model's script.

    Without a form, the one that has room for them.

    Raises:
        UnknownCharacterError: one is not in the vocabulary.
        InvalidValueError: too few or many, one that is no hanzi, or a start that begins otherwise.
    """
    edges = {}
    for name, given in (("acrostic", acrostic), ("telestich", telestich)):
        edges[name] = tokenizer.normalize(given)
        if odd := [c for c in edges[name] if not is_hanzi(c)]:
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, got {odd[0]!r} in {given[:20]!r}; leave it out",
                chinese=f"{_EDGES[name]}要 2 至 8 個漢字，「{odd[0]}」不是漢字，請刪去。",
            )
        if given and not 2 <= (count := len(edges[name])) <= 8:
            advice = "leave some out" if count > 8 else "add one, or take start instead"
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, the first for the first line and so on, got {count}: "
                f"{given[:20]!r}; {advice}",
                chinese=f"{_EDGES[name]}要 2 至 8 個漢字，每句一字，現有 {count} 字。",
            )
        tokenizer.check_known(edges[name])
    needed = max(map(len, edges.values()))
    if needed and not form:
        form = "七絕" if needed <= 4 else "七律"
    if needed > SHAPES.get(form, (needed, 0))[0]:
        longer = next(other for other in FORMS if SHAPES[other] == (8, SHAPES[form][1]))
        name = max(edges, key=lambda name: len(edges[name]))
        raise InvalidValueError(
            f"a {form} has {SHAPES[form][0]} lines, and the {name} {edges[name]!r} has {needed} characters; "
            f"take form={longer!r}, or fewer",
            chinese=f"{form}只有 {SHAPES[form][0]} 句，{_EDGES[name]}「{edges[name]}」有 {needed} 字；"
            f"請選{longer}，或少寫幾字。",
        )
    heads, tails = edges.values()
    if start and heads and start[0] != heads[0]:
        raise InvalidValueError(
            f"the start {start[:10]!r} does not begin with the first head {heads[0]!r}; leave the start out",
            chinese=f"起首「{start[:10]}」不是以藏頭的「{heads[0]}」開頭，請把起首留空。",
        )
    return form, heads, tails


def impose(tokenizer: PoetTokenizer, form: str, start: str, **wishes) -> tuple[RegularForm, str]:
    """The rules for some wishes, those of RegularForm, and the start as the form has it.

    Raises:
        InvalidValueError: they cannot all be kept; the message says why, and what could be instead.
    """
    try:
        rules = RegularForm(tokenizer, form, start=start, **wishes)
        return rules, fit_start(rules, start)
    except InvalidValueError as error:
        able = (names for *names, less in _less(form, wishes) if _is_possible(tokenizer, start, less))
        nearest = list(itertools.islice(able, 2))  # one of them may be no control of the page's
        if not nearest:
            raise
        english, chinese = (" or ".join(names[0] for names in nearest), "，或".join(n[1] for n in nearest))
        raise InvalidValueError(
            f"{error}; with {english} it would",
            chinese=error.chinese and f"{error.chinese.rstrip('。')}；若{chinese}，就可以。",
        ) from None


def _is_possible(tokenizer: PoetTokenizer, start: str, wishes: dict) -> bool:
    try:
        fit_start(RegularForm(tokenizer, start=start, **wishes), start)
    except InvalidValueError:
        return False
    return True


def _less(form: str, wishes: dict) -> Iterator[tuple[str, str, dict]]:
    """Smaller wishes, the nearest first, each with its name in English and in Chinese."""
    wishes = {"form": form, **wishes}
    level, rhyme = wishes["level"], wishes["rhyme"]
    if level is not None and level < L1:
        yield "tones=True", "平仄用 L1", wishes | {"level": L1}
    if level is not None and level < L2:
        yield 'tones="L2"', "平仄放寬到 L2", wishes | {"level": L2}
    if wishes["template"]:
        yield 'template=""', "不指定譜式", wishes | {"template": ""}
    if isinstance(rhyme, str):
        yield "rhyme=True", "不指定韻部", wishes | {"rhyme": True}
    if rhyme:
        yield "rhyme=False", "不押韻", wishes | {"rhyme": False}
    if level is not None:
        yield "tones=False", "不論平仄", wishes | {"level": None, "template": ""}
    for other in FORMS:
        if other != form and SHAPES[other][0] >= max(len(wishes["heads"]), len(wishes["tails"])):
            yield f"form={other!r}", f"改用{other}", wishes | {"form": other}
    if rhyme and level is not None:
        yield (
            "neither rhyme nor tones",
            "不押韻也不論平仄",
            wishes | {"rhyme": False, "level": None, "template": ""},
        )


def fit_start(rules: RegularForm, start: str) -> str:
    """The start as the form has it: with its line ends, if it was written without any.

    Raises:
        InvalidValueError: it breaks the form, the tones or the rhyme; the message says where.
    """
    given = [line.rstrip(LINE_ENDS) for line in prosody.split_lines(start)]
    if len(given) == 1:
        given = [given[0][i : i + rules.length] for i in range(0, len(given[0]), rules.length)]
    if all(len(line) == rules.length for line in given[:-1]):  # which sign ends a line is the form's business
        is_ended = start.endswith(tuple(LINE_ENDS))
        start = prosody.join_lines(given)
        start = start if is_ended or not start else start[:-1]
    for count in range(1, len(start) + 1):
        if rules.state_of(start[:count]) is None:
            fitting, wrong = start[: count - 1], start[count - 1]
            fits = f"{fitting!r} would" if fitting else "no start that begins so would"
            chinese_fits = f"「{fitting}」可以" if fitting else "不能以它開頭"
            raise InvalidValueError(
                f"the start {start[:40]!r} does not fit {rules.wishes} at its character {count}, "
                f"{wrong!r}; {fits}",
                chinese=f"起首「{start[:40]}」不合{rules.wishes_in_chinese}："
                f"第 {count} 字（連標點）「{wrong}」不行；{chinese_fits}。",
            )
    return start
