"""Measures a model beside real poems: perplexity, prosody, repeats, novelty, header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..corpus import Corpus, PoemRecord
from ..corpus.held_out import check_same_corpus, pick, read_held_out, write_held_out
from ..corpus.near_copies import cluster
from ..corpus.prepare import load_corpus
from ..errors import InvalidValueError
from ..machine import machine
from ..novelty.index import NoveltyIndex
from ..prosody.lines import FORMS, form_of, has_equal_lines
from . import metrics
from .header import SCORED_POEMS, TITLES, form_effect, saved_nats, some_titles, spread, title_effect
from .intervals import as_json
from .metrics import Asked
from .perplexity import score, without_header

TEMPERATURE = 0.8
SHORT = 130  # characters; the few longer poems are harder, and hold more than a quarter of the tokens
FEW_POEMS_A_FORM = 50  # at the end of a training
BEST_OF = 4  # as the page has it


def measure(model, corpus: Corpus, *, poems_a_form: int = FEW_POEMS_A_FORM, best_of: int = 1) -> dict:
    """Every figure of the card that a model and its corpus give, as sections of metrics.json.

    Args:
        corpus: perplexity is that of its valid and test poems; lines are looked for in its train poems.
        poems_a_form: how many are written of each form, for each column of the report; four times as many
            with an empty header. Seeds are those from 0 on. Few poems mean few titles and few scored headers.
        best_of: candidates for each line of one more column; 1 leaves it out.
    """
    config = model.config
    return {
        "model": {
            "parameters": model.num_parameters,
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
        },
        "perplexity": measure_perplexity(model, corpus),
        **measure_poems(model, corpus, poems_a_form, best_of),
        "measured_on": machine(),
    }


def measure_perplexity(model, corpus: Corpus) -> dict:
    """The section `perplexity` of metrics.json: the splits, as far as they have poems."""
    valid, test = corpus.splits["valid"], corpus.splits["test"]
    section = {}
    if valid:
        scored = score(model, without_header(valid))
        section["valid"] = scored.record()
        if any(short := [len(poem.text) <= SHORT for poem in valid]):
            section["valid_short"] = scored.of(short).record()
    if test:
        section["test"] = score(model, without_header(test)).record()
        section["test_with_header"] = score(model, test).record()
    return section


def measure_poems(model, corpus: Corpus, poems_a_form: int, best_of: int = 1) -> dict:
    """The sections `poems`, `measures` and `header` of metrics.json.

    `measures` has columns by the same functions: `real`, held-out poems, none a near-copy of another, as many
    of each form (drawn with a fixed seed); and those of `written_columns`. A column that cannot be is left
    out, and `refused` says why.
    """
    train = corpus.splits["train"]
    held_out = [*corpus.splits["valid"], *corpus.splits["test"]]
    free = model.generate(num_poems=len(FORMS) * poems_a_form, temperature=TEMPERATURE, seed=0)
    free = [poem.text for poem in free]
    columns = {"real": metrics.draw_real(_no_copies(held_out), poems_a_form)}
    written, refused = written_columns(model, poems_a_form, best_of)
    columns |= written
    index = NoveltyIndex.build((poem.text, poem.title, poem.author) for poem in train) if train else None
    sections = {
        "poems": {
            "settings": _settings(model),
            "free": {"poems": len(free), "equal_lines": sum(map(has_equal_lines, free))},
            "with_form": _forms_kept(columns["named"], poems_a_form),
            "real_equal_lines": _percent([has_equal_lines(poem.text) for poem in corpus.splits["test"]]),
        },
        "measures": {
            "poems": {name: len(poems) for name, poems in columns.items()},
            "compared_with": len(train),  # poems that lines are looked for in
            **({"best_of": best_of} if "best" in columns else {}),
            **{name: metrics.estimates(poems, index) for name, poems in columns.items() if poems},
            **({"refused": refused} if refused else {}),
        },
        "header": measure_header(model, corpus, columns["named"], free, poems_a_form),
    }
    return as_json(sections)


def written_columns(model, poems_a_form: int, best_of: int = 1) -> tuple[dict[str, list[Asked]], str]:
    """What the model writes for the columns of the section `measures`.

    Returns:
        `named`, with the form in the header and nothing imposed; `ruled`, with form, tones and rhyme imposed;
        `best`, the same with the best of several candidates for each line. And why the model refused the
        columns that are missing; '' if none is.
    """
    columns = {"named": write_each_form(model, poems_a_form, impose_form=False)}
    try:
        columns["ruled"] = write_each_form(model, poems_a_form, tones=True, rhyme=True)
        if best_of > 1:
            columns["best"] = write_each_form(model, poems_a_form, tones=True, rhyme=True, best_of=best_of)
    except InvalidValueError as error:  # a small vocabulary has no rhymes
        return columns, str(error)
    return columns, ""


def write_each_form(model, poems_a_form: int, **options) -> list[Asked]:
    """Poems of each form, with the form that was asked for; `options` are those of `model.generate`."""
    return [
        (poem.text, form)
        for form in FORMS
        for poem in model.generate(
            form=form, num_poems=poems_a_form, temperature=TEMPERATURE, seed=0, **options
        )
    ]


def measure_header(
    model, corpus: Corpus, named: Sequence[Asked], free: Sequence[str], poems_a_form: int
) -> dict:
    """The section `header` of metrics.json: what form, title and author in the header do.

    Args:
        named: the column of that name.
        free: poems written with an empty header.
        poems_a_form: bounds how many titles are taken, and how many poems are scored.
    """
    held_out = [*corpus.splits["valid"], *corpus.splits["test"]]
    section = {"form": form_effect([(form_of(text), asked) for text, asked in named], [*map(form_of, free)])}
    if titles := some_titles(held_out, model.tokenizer, min(TITLES, poems_a_form)):
        section["title"] = title_effect(model, titles, temperature=TEMPERATURE)
    if scored := corpus.splits["test"] or corpus.splits["valid"]:
        section["saved_nats"] = saved_nats(model, spread(scored, min(SCORED_POEMS, 2 * poems_a_form)))
    return section


def _settings(model) -> dict:
    defaults = model.generation_config
    return {
        "temperature": TEMPERATURE,
        "top_k": defaults.top_k,
        "first_seed": 0,
        "frequency_penalty": defaults.frequency_penalty,
    }


def _forms_kept(named: Sequence[Asked], poems_a_form: int) -> dict:
    kept = {form: sum(form_of(text) == form == asked for text, asked in named) for form in FORMS}
    return {"poems": len(named), "a_form": poems_a_form, "kept": sum(kept.values()), "by_form": kept}


def _no_copies(poems: Sequence[PoemRecord]) -> list[str]:
    """The first text of each cluster: near-copies are held out together, and would look like repetition."""
    texts = [poem.text for poem in poems]
    return [
        text for place, (text, first) in enumerate(zip(texts, cluster(texts), strict=True)) if place == first
    ]


def _percent(flags: Sequence[bool]) -> float | None:
    return round(100 * sum(flags) / len(flags), 1) if flags else None


def held_out_corpus(folder: Path, source: str, exclude: Sequence[str]) -> Corpus:
    """The corpus with the poems held out in a model's training in valid and test, all others in train.

    Which these are is read from held_out.json; if `exclude` is given, or the folder has no such record yet,
    it is made, provided that the splits are those of the training. Train is the same either way.

    Raises:
        CheckpointError: the record, or that of the corpus, is missing or damaged.
        CorpusError: the poems are not those of the training.
    """
    corpus = load_corpus(source, exclude)
    held_out = read_held_out(folder)
    if exclude or held_out is None:
        check_same_corpus(folder, corpus.report)
        write_held_out(folder, corpus)
        held_out = read_held_out(folder)
        corpus = load_corpus(source) if exclude else corpus
    return pick(corpus, held_out)
