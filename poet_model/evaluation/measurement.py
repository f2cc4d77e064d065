"""Measures a model and compares it with real poems: perplexity, prosody, repetition, novelty, likeness.

The metrics themselves are in the other modules of this folder; here they are put together for metrics.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..corpus.held_out import check_same_corpus, pick, read_held_out, write_held_out
from ..corpus.near_copies import cluster
from ..corpus.prepare import load_corpus
from ..machine import machine
from ..novelty.index import NoveltyIndex
from ..prosody.lines import FORMS, form_of, has_equal_lines
from . import likeness, metrics
from .columns import written_columns
from .header import (
    POEMS_A_TITLE,
    SCORED_POEMS,
    TITLES,
    form_effect,
    saved_nats,
    some_titles,
    spread,
    title_effect,
)
from .intervals import as_json
from .metrics import Asked
from .perplexity import score, without_header
from .progress import INDEXED_POEM, POEM, RULED_POEM, SILENT, TITLED_POEM, Progress

if TYPE_CHECKING:
    from ..model import PoetModel

SHORT = 130  # characters; the few longer poems are harder and contain more than a quarter of the tokens
FEW_POEMS_A_FORM = 50  # used at the end of a training
BEST_OF = 4  # the same as on the page


def measure(
    model: PoetModel,
    corpus: Corpus,
    *,
    poems_a_form: int = FEW_POEMS_A_FORM,
    best_of: int = 1,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """All metrics of a model on a corpus, as sections of metrics.json.

    Args:
        corpus: perplexity is measured on its valid and test poems; copied lines are searched for in its train
            poems.
        poems_a_form: how many poems to write in each form for each column of the report; four times as many
            are written with an empty header. Seeds start at 0. It also limits the number of titles and of
            scored headers (see `measure_header`).
        best_of: the number of candidates per line in an additional column; 1 omits the column.
        progress: shows how far it is; its total is that of `work`.
    """
    config = model.config
    return {
        "model": {
            "parameters": model.num_parameters,
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
        },
        "perplexity": measure_perplexity(model, corpus, progress),
        **measure_poems(model, corpus, poems_a_form, best_of, progress),
        "measured_on": machine(),
    }


def work(corpus: Corpus, poems_a_form: int = FEW_POEMS_A_FORM, best_of: int = 1) -> float:
    """About how many units of work `measure` does; one is the time that scoring one token takes."""
    valid, test = ([len(poem.text) + 1 for poem in corpus.splits[name]] for name in ("valid", "test"))
    in_header = spread(test or valid, min(SCORED_POEMS, 2 * poems_a_form))
    poems = len(FORMS) * poems_a_form
    return (
        sum(valid)
        + 2 * sum(test)
        + 7 * sum(in_header)  # with an empty header, and with two values of each of three fields
        + 2 * POEM * poems
        + RULED_POEM * poems * (best_of + 1 if best_of > 1 else 1)
        + 2 * TITLED_POEM * POEMS_A_TITLE * min(TITLES, poems_a_form)
        + INDEXED_POEM * len(corpus.splits["train"])
        + likeness.work(len(corpus.splits["train"]), len(valid) + len(test), poems_a_form)
    )


def measure_perplexity(model: PoetModel, corpus: Corpus, progress: Progress = SILENT) -> dict[str, Any]:
    """The section `perplexity` of metrics.json; splits without poems are omitted."""
    valid, test = corpus.splits["valid"], corpus.splits["test"]
    section = {}
    if valid:
        progress.stage(f"the perplexity of {len(valid):,} validation poems")
        scored = score(model, without_header(valid), progress=progress)
        section["valid"] = scored.record()
        if any(short := [len(poem.text) <= SHORT for poem in valid]):
            section["valid_short"] = scored.of(short).record()
    if test:
        progress.stage(f"the perplexity of {len(test):,} test poems")
        section["test"] = score(model, without_header(test), progress=progress).record()
        progress.stage(f"the perplexity of {len(test):,} test poems with their headers")
        section["test_with_header"] = score(model, test, progress=progress).record()
    return section


def measure_poems(
    model: PoetModel, corpus: Corpus, poems_a_form: int, best_of: int = 1, progress: Progress = SILENT
) -> dict[str, Any]:
    """The sections `poems`, `measures`, `header`, `theme` and `openings` of metrics.json.

    All columns of `measures` use the same functions. `real` measures held-out poems without near-copies,
    equally many of each form (drawn with a fixed seed); the others are those of `written_columns`. A column
    without poems is omitted. If the model refused to write a column, `refused` gives its reason.
    """
    train = corpus.splits["train"]
    count = len(FORMS) * poems_a_form
    progress.stage(f"{count:,} poems written without a form")
    free = [poem.text for poem in model.generate(num_poems=count, seed=0)]
    progress.advance(POEM * count)
    real = real_poems(corpus)
    columns = {"real": metrics.draw_real(real, poems_a_form)}
    written, refused = written_columns(model, poems_a_form, best_of, progress)
    columns |= written
    progress.stage(f"novelty, compared with {len(train):,} poems")
    index = NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in train) if train else None
    progress.advance(INDEXED_POEM * len(train))
    like_real, more = likeness.measure_likeness(model, train, real, columns, poems_a_form, progress)
    sections = {
        "poems": {
            "settings": _settings(model),
            "free": {"poems": len(free), "equal_lines": sum(map(has_equal_lines, free))},
            "with_form": _forms_kept(columns["named"], poems_a_form),
            "real_equal_lines": _percent([has_equal_lines(poem.text) for poem in corpus.splits["test"]]),
        },
        "measures": {
            "poems": {name: len(poems) for name, poems in columns.items()},
            "compared_with": len(train),  # poems in which copied lines are searched for
            **({"best_of": best_of} if "best" in columns else {}),
            **{
                name: metrics.estimates(poems, index) | like_real.get(name, {})
                for name, poems in columns.items()
                if poems
            },
            **({"refused": refused} if refused else {}),
        },
        "header": measure_header(model, corpus, columns["named"], free, poems_a_form, progress),
        **more,
    }
    return as_json(sections)


def measure_header(
    model: PoetModel,
    corpus: Corpus,
    named: Sequence[Asked],
    free: Sequence[str],
    poems_a_form: int,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The section `header` of metrics.json: the effects of form, title and author in the header.

    Args:
        named: the column `named` of `written_columns`.
        free: texts of poems written with an empty header.
        poems_a_form: limits the titles to this number and the scored poems to twice this number.
    """
    held_out = [*corpus.splits["valid"], *corpus.splits["test"]]
    section: dict[str, Any] = {
        "form": form_effect([(form_of(text), form) for text, form in named], [*map(form_of, free)])
    }
    if titles := some_titles(held_out, model.tokenizer, min(TITLES, poems_a_form)):
        progress.stage(f"the effect of {len(titles)} titles")
        section["title"] = title_effect(model, titles, progress=progress)
    if scored := corpus.splits["test"] or corpus.splits["valid"]:
        chosen = spread(scored, min(SCORED_POEMS, 2 * poems_a_form))
        progress.stage(f"the effect of the headers of {len(chosen)} poems")
        section["saved_nats"] = saved_nats(model, chosen, progress=progress)
    return section


def _settings(model: PoetModel) -> dict[str, Any]:
    """The settings of the model's GenerationConfig that have an effect, and the first seed."""
    return {"first_seed": 0, **model.generation_config.effective()}


def _forms_kept(named: Sequence[Asked], poems_a_form: int) -> dict[str, Any]:
    kept = {form: sum(form_of(text) == form == requested for text, requested in named) for form in FORMS}
    return {"poems": len(named), "a_form": poems_a_form, "kept": sum(kept.values()), "by_form": kept}


def real_poems(corpus: Corpus) -> list[str]:
    """The held-out poems: the first text of each cluster of near-copies, whose lines would count twice."""
    texts = [poem.text for part in ("valid", "test") for poem in corpus.splits[part]]
    return [text for i, (text, first) in enumerate(zip(texts, cluster(texts), strict=True)) if i == first]


def _percent(flags: Sequence[bool]) -> float | None:
    return round(100 * sum(flags) / len(flags), 1) if flags else None


def held_out_corpus(folder: Path, source: str, exclude: Sequence[str]) -> Corpus:
    """The corpus with the poems that a model's training held out in valid and test, and all others in train.

    The held-out poems are read from held_out.json in the model folder. If `exclude` is given or the file does
    not exist, it is written first, provided that the splits are the same as in the training. Whether or not
    held_out.json had to be written, the train split is the same.

    Args:
        folder: the model folder.
        source: the corpus of the training, as in `load_corpus`.
        exclude: the files of excluded poems of the training, as in `load_corpus`.

    Raises:
        CheckpointError: held_out.json or the corpus report is missing or damaged.
        CorpusError: the poems are not the same as in the training.
    """
    corpus = load_corpus(source, exclude)
    held_out = read_held_out(folder)
    if exclude or held_out is None:
        check_same_corpus(folder, corpus.report)
        write_held_out(folder, corpus)
        held_out = read_held_out(folder)
        corpus = load_corpus(source) if exclude else corpus
    return pick(corpus, held_out or {})
