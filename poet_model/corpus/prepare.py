"""load_corpus: reads, cleans, splits, mixes and caches corpora."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..errors import CorpusError
from ..files import cache_folder
from . import sources
from .cleaning import MIN_CHARACTERS, clean, whole_lines
from .near_copies import split
from .poems import SPLITS, Corpus, CorpusReport, PoemRecord, read_corpus, write_corpus
from .report import describe

_RULES_VERSION = 9  # in the cache key: increase it when cleaning, clustering, splitting or mixing changes
_NAMED_SPLITS = [f"{name}:{part}" for name in sources.NAMED_SOURCES for part in SPLITS]


def load_corpus(source: str = "tang", exclude: Iterable[str] = (), *, use_cache: bool = True) -> Corpus:
    """Reads, cleans, clusters and splits a source; the result is cached in the user's cache folder.

    Args:
        source: a source as in `sources.read_source`; a file written by `write_corpus`, which is used as it
            is; or several of these joined by `+`. For several sources, the training splits are combined,
            valid and test are those of the first, and near-copies of these are removed from the others.
        exclude: poems to keep out of every split, with their near-copies: files, or splits of a named source
            such as `tang:test`.
        use_cache: whether to use an earlier result from the cache, and to store a new one there.

    Raises:
        CorpusError: a source cannot be read, or no poem to train on is left.
    """
    exclude = [str(path) for path in exclude]
    first, *others = _parts(source)
    corpus = _load_one(first, exclude, (), use_cache)
    if not others:
        return corpus
    held_out = [*corpus.splits["valid"], *corpus.splits["test"]]
    if not held_out:
        raise CorpusError(
            f"{first!r} has too few poems ({corpus.report.kept}) to hold any out, and a model trained on a "
            f"mixed corpus is validated on its first part; put a larger part first, as in {others[0]}+{first}"
        )
    parts = [corpus, *(_load_one(name, exclude, held_out, use_cache) for name in others)]
    reports = [asdict(part.report) for part in parts]  # with the hashes of the poems
    return _cached([_RULES_VERSION, "mixed", reports], lambda: mix(parts), use_cache)


def _parts(source: str) -> list[str]:
    """The sources joined by `+`; an existing path that contains a `+` is a single source."""
    if "+" not in source or os.path.exists(source):
        return [source]
    parts = [part.strip() for part in source.split("+")]
    places = {os.path.realpath(part) if os.path.exists(part) else part for part in parts}
    if "" in parts or len(places) < len(parts):
        raise CorpusError(f"corpus {source!r}: expected different sources, joined as in tang+song")
    return parts


def _load_one(source: str, exclude: list[str], held_out: Sequence[PoemRecord], use_cache: bool) -> Corpus:
    """The corpus of one source, without the poems in `exclude` and `held_out` and their near-copies."""
    if (
        source.endswith(".jsonl")
        and os.path.isfile(source)
        and (corpus := read_corpus(Path(source), by_user=True))
    ):
        _check_prepared(source, corpus, exclude, held_out)
        return corpus
    named = [path for path in exclude if path in _NAMED_SPLITS]
    paths = [sources.locate(source), *(_locate_excluded(path) for path in exclude if path not in named)]
    key = [_RULES_VERSION, source, sorted(named), sources.fingerprint(paths)]
    if held_out:
        key.append(hashlib.sha256("".join(poem.text for poem in held_out).encode()).hexdigest())

    def prepare() -> Corpus:
        report = CorpusReport(source=sources.describe(source))
        poems = clean(sources.read_source(source), report, is_traditional=source in sources.NAMED_SOURCES)
        excluded = [poem for path in exclude for poem in _read_excluded(path, report)]
        corpus = split(poems, [*excluded, *held_out], report)
        if not corpus.splits["train"]:
            if report.excluded and not report.dropped:
                raise CorpusError(
                    f"{source!r} contains no poem to train on: all of its {report.read} records are excluded "
                    "by --exclude; give a corpus with other poems, or exclude less"
                )
            reasons = ", ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
            raise CorpusError(
                f"{source!r} contains no poem to train on ({report.read} records read; "
                f"{reasons or 'it is empty'}; excluded: {report.excluded}); a poem must consist of hanzi, "
                f"`，` and `。`, and have at least {MIN_CHARACTERS} characters; give JSON, JSONL, CSV or TSV "
                "with fields such as title, author and text, or text with one poem per line (docs/corpus.md)"
            )
        return corpus

    return _cached(key, prepare, use_cache)


def _locate_excluded(path: str) -> Path:
    try:
        return sources.locate(path)
    except CorpusError as error:
        raise CorpusError(f"--exclude: {error}, or a split: {', '.join(_NAMED_SPLITS)}") from error


def _check_prepared(source: str, corpus: Corpus, exclude: list[str], held_out: Sequence[PoemRecord]) -> None:
    """Raises CorpusError if poems would have to be removed from a corpus that is already split."""
    if exclude:
        raise CorpusError(
            f"{source} is a prepared corpus, which is already split; give --exclude when preparing it, "
            "to python -m poet_model.corpus"
        )
    texts = {poem.text for poem in held_out}
    if count := sum(poem.text in texts for poem in corpus.splits["train"]) if texts else 0:
        raise CorpusError(
            f"{source} is a prepared corpus, and {count} of its poems to train on are held out in the corpus "
            "that it is mixed with; exclude these when preparing it, as in --exclude tang:valid tang:test"
        )


def _cached(key: list[object], prepare: Callable[[], Corpus], use_cache: bool) -> Corpus:
    """The corpus cached under `key`; if there is none, the result of `prepare`, which is then cached."""
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = cache_folder() / f"corpus-{name}.jsonl"
    if use_cache and (corpus := read_corpus(path)):
        return corpus
    corpus = prepare()
    if use_cache:
        try:
            write_corpus(path, corpus)
            return read_corpus(path) or corpus
        except OSError as error:
            warnings.warn(
                f"the prepared corpus cannot be kept in {path.parent} ({error.strerror}), so it takes more "
                "memory now and the same time again; free some space, or set POET_CACHE to another folder",
                stacklevel=2,
            )
    return corpus


def mix(corpora: Sequence[Corpus]) -> Corpus:
    """Combines all training splits, each text once, with the valid and test splits of the first corpus.

    The valid and test poems of the other corpora are left out, since other models may be evaluated on them.
    """
    first = corpora[0]
    train: dict[str, PoemRecord] = {}
    reports = [corpus.report for corpus in corpora]
    report = CorpusReport(source=" + ".join(report.source for report in reports))
    for name in ("read", "converted_from_simplified", "near_copies", "excluded"):
        setattr(report, name, sum(getattr(each, name) for each in reports))
    longest = max(reports, key=lambda each: each.exclude_read)  # usually the same for all
    report.exclude_read, report.exclude_dropped = longest.exclude_read, longest.exclude_dropped
    report.dropped = dict(sum((Counter(each.dropped) for each in reports), Counter()))
    for number, corpus in enumerate(corpora, 1):
        name = corpus.report.source
        if name in report.mixed:  # files in different folders may share a name
            name += f" (corpus {number})"
        if corpus is not first and (unused := len(corpus.splits["valid"]) + len(corpus.splits["test"])):
            report.dropped[f"valid and test of {name}"] = unused
        new = {poem.text: poem for poem in corpus.splits["train"] if poem.text not in train}
        if repeated := len(corpus.splits["train"]) - len(new):
            report.dropped[f"poems of {name} that an earlier corpus also has"] = repeated
        report.mixed[name] = {"poems": len(new), "characters": sum(map(len, new))}
        train |= new
    splits = {"train": list(train.values()), "valid": first.splits["valid"], "test": first.splits["test"]}
    describe(splits, report)
    return Corpus(splits, report)


def _read_excluded(path: str, report: CorpusReport) -> Sequence[PoemRecord]:
    """Reads poems to exclude, which may be of any length; counts the unusable ones in `report`.

    If a poem has lost characters (□), its complete lines are used, so that an undamaged copy is excluded too.
    """
    if path in _NAMED_SPLITS:
        name, part = path.split(":")
        poems = load_corpus(name).splits[part]
        report.exclude_read += len(poems)
        return poems
    own = CorpusReport()
    raws = (replace(raw, text=raw.text and whole_lines(raw.text)) for raw in sources.read_source(path))
    poems = clean(raws, own, min_characters=1)
    if not poems:
        raise CorpusError(
            f"--exclude {path} contains no poem ({own.read} records read); give a file of poems"
        )
    report.exclude_read += own.read
    for reason, count in own.dropped.items():
        report.exclude_dropped[reason] = report.exclude_dropped.get(reason, 0) + count
    return poems
