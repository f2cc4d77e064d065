"""Metrics of a set of poems: form, rhyme, tones, repetition, variety, novelty, each with a 95 % interval.

Real and generated poems are measured by the same functions. They work on texts and requested forms, and know
nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from .. import prosody
from ..couplets import middle_couplets
from ..novelty.index import NoveltyIndex
from ..prosody.lines import FORMS, LINE_ENDS, split_lines
from ..prosody.templates import LEVELS
from . import intervals
from .intervals import Estimate

GROUP = 200  # poems per group for distinct-n, which decreases as the number of poems grows
DRAW_SEED = 0
# (name in metrics.json, label, format of the value)
LIKENESS = (  # measured in likeness.py
    ("judge", "mean log-probability of a character in a 4-gram model", ".3f"),
    ("auc", "told from real poems by a classifier, AUC (real: two halves)", ".3f"),
)
METRICS = (
    ("structure", "with the requested form, of all poems", ".1%"),
    ("rhyme", "rhyming in 平 by 平水韻, of all poems", ".1%"),
    ("tones_L1", "with tones at L1 or better, of all poems", ".1%"),
    ("tones_L2", "with tones at L2 or better, of all poems", ".1%"),
    ("tones_L3", "with tones at L3 or better, of all poems", ".1%"),
    ("rigid", "right tones at places 2, 4, 6 and last, in poems with a form", ".1%"),
    ("double_rhyme", "with 重韻, of poems with a form", ".1%"),
    ("parallelism", "parallelism (對仗) of the middle couplets of 律詩", ".3f"),
    ("couplet_repeats", "with a hanzi in both lines, of these couplets", ".1%"),
    ("repeats", "with a repeated hanzi, of all poems", ".1%"),
    ("repeats_a_poem", "repeated hanzi per poem", ".2f"),
    ("self_repetition", "bigrams repeated within a poem", ".2%"),
    ("distinct_1", "distinct-1 over 200 poems", ".3f"),
    ("distinct_2", "distinct-2 over 200 poems", ".3f"),
    ("distinct_3", "distinct-3 over 200 poems", ".3f"),
    ("copied_lines", "lines that occur in another poem", ".2%"),
    ("poems_with_copied_line", "poems with such a line", ".1%"),
    ("longest_stretch", "longest stretch from another poem, in characters", ".2f"),
    *LIKENESS,
)
Asked = tuple[str, str]  # a text, and the form it should have


def draw_real(texts: Iterable[str], most: int) -> list[Asked]:
    """Real poems of the four forms, equally many of each, drawn with a fixed seed.

    The number per form is that of the rarest form, so that all forms have the same weight, as they do among
    generated poems.

    Args:
        texts: the poems to draw from; poems of other shapes are skipped.
        most: the largest number of poems per form.

    Returns:
        (text, form) pairs; an empty list if one of the forms is missing.
    """
    by_form: dict[str, list[str]] = {form: [] for form in FORMS}
    for text in texts:
        if form := prosody.shape_of(text):
            by_form[form].append(text)
    count = min(most, *map(len, by_form.values()))
    rng = np.random.default_rng(DRAW_SEED)
    return [
        (group[i], form)
        for form, group in by_form.items()
        for i in sorted(rng.permutation(len(group))[:count])
    ]


def estimates(poems: Sequence[Asked], index: NoveltyIndex | None = None) -> dict[str, Estimate]:
    """All METRICS of some poems.

    structure: the share of poems with exactly the requested form: the number of lines, their length, and
        `，` and `。` in turn.
    rhyme, tones_L1 …: shares of all poems; a poem without a regular form counts as a failure.
    rigid: the share of right tones at the second, fourth, sixth and last places of the lines of a poem, by
        the template that fits best; the mean over poems with a form.
    double_rhyme: the share of poems with a form that use a character twice as a rhyme word.
    parallelism: see `couplets.parallelism`; the mean over all middle couplets of 五律 and 七律.
    couplet_repeats: the share of these couplets whose second line repeats a character of the first.
    repeats: the share of poems in which some hanzi occurs more than once.
    repeats_a_poem: the mean number of hanzi minus distinct hanzi per poem.
    self_repetition, distinct_1 …: see `repeated_bigrams` and `distinct`.
    copied_lines, poems_with_copied_line, longest_stretch: compared with the poems of `index`, which must not
        contain the measured poems or near-copies of them. A line is copied if the whole of it occurs within a
        line of the index. A stretch also lies within a line, and counts as 0 if it is shorter than three
        characters.

    Args:
        poems: (text, requested form), equally many of each form.
        index: the poems to compare with; None omits the three metrics of novelty.

    Returns:
        The estimates by name; a metric with nothing to measure is omitted.
    """
    reports = [prosody.scan(text) for text, _ in poems]
    formed = [report for report in reports if report.form]
    repeats = [len(hanzi) - len(set(hanzi)) for hanzi in (_without_ends(text) for text, _ in poems)]
    again, bigrams = np.array([repeated_bigrams(text) for text, _ in poems]).reshape(-1, 2).T
    results = {
        "structure": intervals.share([prosody.form_of(text) == form for text, form in poems]),
        "rhyme": intervals.share([report.rhyme.status == "平" for report in reports]),
        **{
            f"tones_{LEVELS[level]}": intervals.share([r.form != "" and r.level <= level for r in reports])
            for level in (prosody.L1, prosody.L2, prosody.L3)
        },
        "rigid": intervals.part([r.rigid[0] / r.rigid[1] for r in formed], np.ones(len(formed))),
        "double_rhyme": intervals.share([any(f.kind == "重韻" for f in r.faults) for r in formed]),
        **parallel_couplets([text for text, _ in poems]),
        "repeats": intervals.share([count > 0 for count in repeats]),
        "repeats_a_poem": intervals.mean(repeats),
        "self_repetition": intervals.part(again, bigrams),
        **{f"distinct_{n}": distinct(poems, n) for n in (1, 2, 3)},
        **(novelty(poems, index) if index is not None else {}),
    }
    return {name: estimate for name, estimate in results.items() if estimate is not None}


def parallel_couplets(texts: Iterable[str]) -> dict[str, Estimate | None]:
    """The metrics of the middle couplets of 律詩, with intervals over poems; None without such poems."""
    poems = [couplets for text in texts if (couplets := middle_couplets(text))]
    known = [[c.parallelism for c in couplets if c.parallelism is not None] for couplets in poems]
    repeats = [sum(bool(couplet.repeated) for couplet in couplets) for couplets in poems]
    return {
        "parallelism": intervals.ratio([sum(scores) for scores in known], [len(scores) for scores in known]),
        "couplet_repeats": intervals.part(repeats, [len(couplets) for couplets in poems]),
    }


def repeated_bigrams(text: str) -> tuple[int, int]:
    """The number of bigrams that occurred earlier in the poem, and the number of all bigrams.

    A bigram is a pair of adjacent hanzi within a line. Self-repetition is the sum of the first number over
    all poems divided by the sum of the second. This way of counting gives 0.16 % on the test poems of
    tangshi-gpt, close to the 0.15 % that the project's design document states for real poems.
    """
    pairs = [pair for line in split_lines(text) for pair in _grams(line.rstrip(LINE_ENDS), 2)]
    return len(pairs) - len(set(pairs)), len(pairs)


def distinct(poems: Sequence[Asked], n: int) -> Estimate | None:
    """Distinct-n: the number of distinct n-grams divided by that of all n-grams, as a mean over groups.

    Each group has 200 poems, with the forms distributed evenly over the groups. The n-grams include `，`,
    `。` and a line break between couplets, and do not extend from one poem to the next. Counted like this,
    the test poems of tangshi-gpt have distinct-1, -2 and -3 of .191, .806 and .957, close to the design
    document's values for real poems (.195, .808 and .958); counted over hanzi alone they have .235, .935 and
    .998.

    Returns:
        The mean over all full groups; poems left over are not counted. None for fewer than 200 poems.
    """
    by_form: dict[str, list[str]] = {}
    for text, form in poems:
        by_form.setdefault(form, []).append(text.replace("。", "。\n").rstrip("\n"))
    dealt = [text for row in zip_longest(*by_form.values()) for text in row if text is not None]
    values = []
    for first in range(0, len(dealt) - GROUP + 1, GROUP):
        grams = [gram for text in dealt[first : first + GROUP] for gram in _grams(text, n)]
        values.append(len(set(grams)) / len(grams))
    return intervals.over_groups(values)


def novelty(poems: Sequence[Asked], index: NoveltyIndex) -> dict[str, Estimate | None]:
    """The metrics of copying: which lines and stretches of the poems occur in the poems of the index."""
    matches = [index.find(text) for text, _ in poems]
    copied = [sum(match.is_whole for match in of_poem) for of_poem in matches]
    longest = [max((len(match.text) for match in of_poem), default=0) for of_poem in matches]
    return {
        "copied_lines": intervals.part(copied, [len(of_poem) for of_poem in matches]),
        "poems_with_copied_line": intervals.share([count > 0 for count in copied]),
        "longest_stretch": intervals.mean(longest),
    }


def _grams(text: str, n: int) -> list[str]:
    return [text[i : i + n] for i in range(len(text) - n + 1)]


def _without_ends(text: str) -> str:
    return "".join(character for character in text if character not in LINE_ENDS)
