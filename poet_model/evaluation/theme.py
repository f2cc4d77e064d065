"""Measures one theme: how much the first half of a poem helps a model to predict the second.

It works on a model and on texts; it reads and writes no files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import prosody
from ..corpus import PoemRecord
from ..prosody.lines import FORMS
from . import intervals
from .intervals import Estimate
from .perplexity import score
from .progress import SILENT, Progress

if TYPE_CHECKING:
    from ..model import PoetModel

DRAW_SEED = 0


def theme(
    model: PoetModel, texts: Sequence[str], *, same_tones: bool = True, progress: Progress = SILENT
) -> dict[str, Estimate]:
    """The nats per hanzi of the second half that a poem's own first half saves, by form.

    It is compared with the first half of another poem: log p(second half | own first half) - log p(second
    half | the other's first half). The other has the same form, rhyme and template, so that only what the
    poem is about, and how it is said, can explain the difference. The header is empty. A poem without such a
    partner is not counted.

    Args:
        texts: poems of any shape; those without a regular form are not counted.
        same_tones: whether the other must have the same template. If not, the difference is larger, because
            the template of the other's first half makes the second half less expected.

    Returns:
        The mean for each form, with a bootstrap interval over poems; a form without pairs is omitted.
    """
    results = {}
    for form in FORMS:
        group = [text for text in texts if prosody.form_of(text) == form]
        pairs = partners(group, same_tones)
        if not pairs:
            continue
        half = len(group[0]) // 2
        own = [group[poem] for poem, _ in pairs]
        crossed = [group[other][:half] + group[poem][half:] for poem, other in pairs]
        alone, beside = (
            score(model, [PoemRecord(text) for text in given], skipped=half, progress=progress)
            for given in (own, crossed)
        )
        saved = beside.poem_hanzi_nats - alone.poem_hanzi_nats
        if estimate := intervals.ratio(saved, alone.poem_hanzi):
            results[form] = estimate
    return results


def partners(texts: Sequence[str], same_tones: bool = True) -> list[tuple[int, int]]:
    """Pairs (poem, another with the same rhyme and the same template), drawn with a fixed seed.

    Args:
        texts: poems of one form.
        same_tones: as in `theme`.

    Returns:
        The indices of each pair; poems without a partner are left out.
    """
    groups = defaultdict(list)
    for index, text in enumerate(texts):
        scansion = prosody.scan(text)
        for rhyme in scansion.rhyme.groups[:1]:
            groups[scansion.template if same_tones else "", scansion.rhyme.status, rhyme].append(index)
    rng = np.random.default_rng(DRAW_SEED)
    pairs = []
    for group in groups.values():
        order = rng.permutation(group).tolist()
        if len(order) > 1:
            pairs += list(zip(order, [*order[1:], order[0]], strict=True))
    return sorted(pairs)
