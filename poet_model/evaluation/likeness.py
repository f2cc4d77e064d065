"""Measures how like real poems those of a model are: a classifier, a 4-gram judge, one theme, and openings.

The metrics are in other modules of this folder; here they are put together for metrics.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..corpus import PoemRecord
from ..prosody.lines import FORMS, form_of
from . import intervals
from .discriminator import real_beside_real, told_apart
from .features import PoemFeatures
from .header import spread
from .intervals import Estimate
from .metrics import Asked
from .openings import POEMS_A_START, STARTS, real_openings, variety, written_openings
from .progress import COUNTED_POEM, POEM, SILENT, Progress
from .theme import theme

if TYPE_CHECKING:
    from ..model import PoetModel

THEME_POEMS = 2  # times as many real poems as written ones, so that most find a partner
MEAN_POEM = 45  # characters of a regular poem, for the progress


def work(train: int, held_out: int, poems_a_form: int) -> float:
    """About how many units of work `measure_likeness` does; see `measurement.work`.

    Args:
        train, held_out: the numbers of poems.
    """
    openings = min(STARTS, train, poems_a_form) * min(POEMS_A_START, poems_a_form) * POEM
    written = len(FORMS) * poems_a_form
    # each with its own half and another's; real poems by two rules
    scored = 2 * written + 4 * min(held_out, THEME_POEMS * written)
    return COUNTED_POEM * train + openings + scored * MEAN_POEM


def measure_likeness(
    model: PoetModel,
    train: Sequence[PoemRecord],
    real: Sequence[str],
    columns: Mapping[str, Sequence[Asked]],
    poems_a_form: int,
    progress: Progress = SILENT,
) -> tuple[dict[str, dict[str, Estimate]], dict[str, Any]]:
    """The metrics `auc` and `judge` of each column, and the sections `theme` and `openings` of metrics.json.

    Args:
        train: the poems that the judge and the classifier may know.
        real: held-out poems without near-copies.
        columns: the columns of the section `measures`, with `real` and `named` among them.
        poems_a_form: limits the starts, the poems of each, and those whose theme is measured.
    """
    progress.stage(f"how well a classifier tells them from {len(real):,} real poems")
    by_column = measure_columns(PoemFeatures([poem.text for poem in train]), real, columns) if train else {}
    progress.advance(COUNTED_POEM * len(train))
    named = [text for text, _ in columns["named"]]
    progress.stage("how much the first half of a poem tells about the second")
    by_form = {form: [text for text in real if form_of(text) == form] for form in FORMS}
    some = [text for texts in by_form.values() for text in spread(texts, THEME_POEMS * poems_a_form)]
    sections: dict[str, Any] = {
        "theme": {
            "real": theme(model, some, progress=progress),
            "named": theme(model, named, progress=progress),
            "real_any_tones": theme(model, some, same_tones=False, progress=progress),
        }
    }
    seconds = {
        start: found
        for start, found in real_openings([poem.text for poem in train], min(STARTS, poems_a_form)).items()
        if start in model.tokenizer
    }
    if seconds:
        progress.stage(f"how poems go on that begin with {'、'.join(seconds)}")
        count = min(POEMS_A_START, poems_a_form)
        written = written_openings(model, list(seconds), count, progress, impose_form=False)
        poems = min(map(len, (*seconds.values(), *written.values())))
        sections["openings"] = {
            "starts": "".join(seconds),
            "poems": poems,
            "real": variety(seconds, poems),
            "named": variety(written, poems),
        }
    return by_column, sections


def measure_columns(
    features: PoemFeatures, real: Sequence[str], columns: Mapping[str, Sequence[Asked]]
) -> dict[str, dict[str, Estimate]]:
    """The metrics `auc` and `judge` by column; a metric with nothing to measure is omitted.

    auc: see `told_apart`; in the column `real` it is the control, of real poems beside real ones.
    judge: the mean log-probability of a character, in nats, under the 4-gram model of the features.

    Args:
        real: held-out poems without near-copies, of any shape.
    """
    results: dict[str, dict[str, Estimate]] = {}
    for name, poems in columns.items():
        nats = [values.sum() for values in features.judge.log_probs([text for text, _ in poems])]
        estimates = {
            "auc": real_beside_real(features, real) if name == "real" else told_apart(features, real, poems),
            "judge": intervals.ratio(nats, [len(text) + 1 for text, _ in poems]),
        }
        results[name] = {key: estimate for key, estimate in estimates.items() if estimate is not None}
    return results
