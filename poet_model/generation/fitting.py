"""Fits a request to a regular form; if it does not fit, suggests the nearest request that would."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from ..couplets.couplet import FORMS as COUPLET_FORMS
from ..errors import InvalidValueError, excerpt, quoted
from ..prosody.lines import FORMS, LINE_ENDS, SHAPES, join_lines, read_lines, split_lines
from ..prosody.templates import L1, L2
from ..script import is_hanzi
from ..tokenizer import PoetTokenizer
from .form import FormState, RegularForm
from .form_options import FormOptions
from .masks import VocabularyMasks
from .parallel import check_couplets
from .placing import Placing

EDGES = {"acrostic": "藏頭", "telestich": "藏尾"}
MAX_EDGE = 2000  # characters as people write them; those of a longer text are not even counted


def edges_of(
    tokenizer: PoetTokenizer, form: str, acrostic: str, telestich: str, start: str
) -> tuple[str, str, str]:
    """The form, the heads and the tails of a poem with an acrostic or a telestich, in the model's script.

    Args:
        tokenizer: the model's tokenizer.
        form: the requested form; if it is empty, a form with enough lines is chosen.
        acrostic: the characters that the lines begin with; may be empty.
        telestich: the characters that the lines end with; may be empty.
        start: the first characters of the poem; may be empty.

    Raises:
        UnknownCharacterError: a character is not in the vocabulary.
        InvalidValueError: there are too few or too many characters, one of them is not a hanzi, or the start
            and the acrostic begin with different characters.
    """
    edges = {}
    for name, given in (("acrostic", acrostic), ("telestich", telestich)):
        edges[name] = tokenizer.normalize("".join(read_lines(given)))
        if odd := [c for c in edges[name] if not is_hanzi(c)]:
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, got {quoted(odd[0])} in {quoted(given)}; remove that "
                "character",
                chinese=f"{EDGES[name]}要 2 至 8 個漢字，「{excerpt(odd[0])}」不是漢字，請刪去。",
            )
        if given and not 2 <= (count := len(edges[name])) <= 8:
            advice = "remove some" if count > 8 else "add one, or use start instead"
            raise InvalidValueError(
                f"{name} must be 2 to 8 hanzi, one for each line from the first, got {count}: "
                f"{quoted(given)}; {advice}",
                chinese=f"{EDGES[name]}要 2 至 8 個漢字，每句一字，現有 {count} 字。",
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
            f"use form={longer!r}, or fewer characters",
            chinese=f"{form}只有 {SHAPES[form][0]} 句，{EDGES[name]}「{edges[name]}」有 {needed} 字；"
            f"請選{longer}，或少寫幾字。",
        )
    heads, tails = edges.values()
    if start and heads and start[0] != heads[0]:
        raise InvalidValueError(
            f"the start {quoted(start)} must begin with the first character of the acrostic, {heads[0]!r}; "
            "let it begin with that character, or leave the start out",
            chinese=f"起首「{excerpt(start)}」不是以藏頭的「{heads[0]}」開頭，請把起首留空。",
        )
    return form, heads, tails


def impose(
    masks: VocabularyMasks, options: FormOptions, start: str, is_original: bool = False
) -> tuple[RegularForm, str, Placing]:
    """The automaton of a form, the start with the line ends of that form, and the places of the keywords.

    Args:
        masks: the masks of the vocabulary.
        options: the form and its rules.
        start: the first characters of the poem.
        is_original: whether some lines are barred.

    Raises:
        InvalidValueError: the options and the start do not fit together; the message gives the reason and the
            nearest options that would work.
    """
    try:
        return _fit(masks, options, start, is_original)
    except InvalidValueError as error:
        possible = (names for *names, less in _less_strict(options) if _is_possible(masks, less, start))
        if not (first := next(possible, None)):
            raise
        # a second suggestion, because the page may have no control for the option that the first one changes
        others = (names for names in possible if first[0] not in names[0])
        nearest = [first, *itertools.islice(others, 1)]
        english, chinese = (" or ".join(names[0] for names in nearest), "，或".join(n[1] for n in nearest))
        raise InvalidValueError(
            f"{error}; it would work with {english}",
            chinese=error.chinese and f"{error.chinese.rstrip('。')}；若{chinese}，就可以。",
        ) from None


def _fit(
    masks: VocabularyMasks, options: FormOptions, start: str, is_original: bool = False
) -> tuple[RegularForm, str, Placing]:
    rules = RegularForm(masks, options, start)
    start = fit_start(rules, start)
    check_couplets(options, start)
    return rules, start, Placing(rules, start, avoids_ends=is_original)


def _is_possible(masks: VocabularyMasks, options: FormOptions, start: str) -> bool:
    try:
        _fit(masks, options, start)
    except InvalidValueError:
        return False
    return True


def _less_strict(options: FormOptions) -> Iterator[tuple[str, str, FormOptions]]:
    """Less strict options, smallest change first, as (English description, Chinese description, options)."""
    level, rhyme = options.level, options.rhyme
    if level is not None and level < L1:
        yield "tones=True", "平仄用 L1", replace(options, level=L1)
    if level is not None and level < L2:
        yield 'tones="L2"', "平仄放寬到 L2", replace(options, level=L2)
    if options.template:
        yield 'template=""', "不指定譜式", replace(options, template="")
    if isinstance(rhyme, str):
        yield "rhyme=True", "不指定韻部", replace(options, rhyme=True)
    if rhyme:
        yield "rhyme=False", "不押韻", replace(options, rhyme=False)
    if options.has_tones:
        yield "tones=False", "不論平仄", replace(options, level=None, template="")
    if options.parallel:
        yield "parallel=False", "不求對仗", replace(options, parallel=False)
    for other in FORMS:
        lines, length = SHAPES[other]
        is_large = lines >= max(len(options.heads), len(options.tails))
        is_wide = length >= max(map(len, options.keywords), default=0)
        has_couplets = other in COUPLET_FORMS or not options.parallel
        if other != options.form and is_large and is_wide and has_couplets:
            yield f"form={other!r}", f"改用{other}", replace(options, form=other)
    for keyword in options.keywords:
        others = tuple(other for other in options.keywords if other != keyword)
        yield f"no keyword {keyword!r}", f"不要詞語「{keyword}」", replace(options, keywords=others)
    if rhyme and options.has_tones:
        neither = replace(options, rhyme=False, level=None, template="")
        yield "rhyme=False and tones=False", "不押韻也不論平仄", neither


def fit_start(rules: RegularForm, start: str) -> str:
    """The start with the line ends of the form, which are added if it was written without any.

    Raises:
        InvalidValueError: the start breaks the form, the tones or the rhyme; the message says where.
    """
    given = [line.rstrip(LINE_ENDS) for line in split_lines(start)]
    if len(given) == 1:
        given = [given[0][i : i + rules.length] for i in range(0, len(given[0]), rules.length)]
    if all(len(line) == rules.length for line in given[:-1]):  # the form decides between `，` and `。`
        is_ended = start.endswith(tuple(LINE_ENDS))
        start = join_lines(given)
        start = start if is_ended or not start else start[:-1]
    state: FormState | None = rules.first()
    for place, character in enumerate(start):
        state = state and rules.after(state, character)
        if state is None:
            fitting = start[:place]
            fits = f"{quoted(fitting)} would fit" if fitting else "no start can begin with it"
            chinese_fits = f"「{excerpt(fitting)}」可以" if fitting else "不能以它開頭"
            raise InvalidValueError(
                f"the start {quoted(start)} does not fit {rules.options} at character {place + 1}, "
                f"{character!r}; {fits}",
                chinese=f"起首「{excerpt(start)}」不合{rules.options.in_chinese}："
                f"第 {place + 1} 字（連標點）「{character}」不行；{chinese_fits}。",
            )
    return start
