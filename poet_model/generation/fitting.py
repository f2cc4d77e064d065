"""What is asked for fitted to a regular form; where it cannot be, the nearest that can."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from ..errors import InvalidValueError
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES, join_lines, split_lines
from ..prosody.templates import L1, L2
from ..script import is_hanzi
from ..tokenizer import PoetTokenizer
from .form import RegularForm
from .form_options import FormOptions
from .masks import VocabularyMasks

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


def impose(masks: VocabularyMasks, options: FormOptions, start: str) -> tuple[RegularForm, str]:
    """The automaton of a form, and the start as the form has it.

    Raises:
        InvalidValueError: not all of it can be kept; the message says why, and what could be instead.
    """
    try:
        rules = RegularForm(masks, options, start)
        return rules, fit_start(rules, start)
    except InvalidValueError as error:
        able = (names for *names, less in _less(options) if _is_possible(masks, less, start))
        nearest = list(itertools.islice(able, 2))  # one of them may be no control of the page's
        if not nearest:
            raise
        english, chinese = (" or ".join(names[0] for names in nearest), "，或".join(n[1] for n in nearest))
        raise InvalidValueError(
            f"{error}; with {english} it would",
            chinese=error.chinese and f"{error.chinese.rstrip('。')}；若{chinese}，就可以。",
        ) from None


def _is_possible(masks: VocabularyMasks, options: FormOptions, start: str) -> bool:
    try:
        fit_start(RegularForm(masks, options, start), start)
    except InvalidValueError:
        return False
    return True


def _less(options: FormOptions) -> Iterator[tuple[str, str, FormOptions]]:
    """Options that ask for less, the nearest first, each with its name in English and in Chinese."""
    level, rhyme = options.level, options.rhyme
    if options.has_tones and level < L1:
        yield "tones=True", "平仄用 L1", replace(options, level=L1)
    if options.has_tones and level < L2:
        yield 'tones="L2"', "平仄放寬到 L2", replace(options, level=L2)
    if options.template:
        yield 'template=""', "不指定譜式", replace(options, template="")
    if isinstance(rhyme, str):
        yield "rhyme=True", "不指定韻部", replace(options, rhyme=True)
    if rhyme:
        yield "rhyme=False", "不押韻", replace(options, rhyme=False)
    if options.has_tones:
        yield "tones=False", "不論平仄", replace(options, level=None, template="")
    for other in FORMS:
        if other != options.form and SHAPES[other][0] >= max(len(options.heads), len(options.tails)):
            yield f"form={other!r}", f"改用{other}", replace(options, form=other)
    if rhyme and options.has_tones:
        neither = replace(options, rhyme=False, level=None, template="")
        yield "neither rhyme nor tones", "不押韻也不論平仄", neither


def fit_start(rules: RegularForm, start: str) -> str:
    """The start as the form has it: with its line ends, if it was written without any.

    Raises:
        InvalidValueError: it breaks the form, the tones or the rhyme; the message says where.
    """
    given = [line.rstrip(LINE_ENDS) for line in split_lines(start)]
    if len(given) == 1:
        given = [given[0][i : i + rules.length] for i in range(0, len(given[0]), rules.length)]
    if all(len(line) == rules.length for line in given[:-1]):  # which sign ends a line is the form's business
        is_ended = start.endswith(tuple(LINE_ENDS))
        start = join_lines(given)
        start = start if is_ended or not start else start[:-1]
    state = rules.first()
    for place, character in enumerate(start):
        state = rules.after(state, character)
        if state is None:
            fitting = start[:place]
            fits = f"{fitting!r} would" if fitting else "no start that begins so would"
            chinese_fits = f"「{fitting}」可以" if fitting else "不能以它開頭"
            raise InvalidValueError(
                f"the start {start[:40]!r} does not fit {rules.options} at its character {place + 1}, "
                f"{character!r}; {fits}",
                chinese=f"起首「{start[:40]}」不合{rules.options.in_chinese}："
                f"第 {place + 1} 字（連標點）「{character}」不行；{chinese_fits}。",
            )
    return start
