"""From raw records to clean poems in three splits with no near-copies across. Knows no ids and no tensors.

    python -m poet_model.corpus tang --exclude tests.json --output tang.jsonl

prepares a corpus for another machine: `train.py --corpus tang.jsonl` takes its splits as they are.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from . import script, sources
from .errors import CorpusError
from .files import cache_folder
from .poems import SPLITS, Corpus, CorpusReport, PoemRecord, StoredPoems, read_corpus, write_corpus
from .prosody import FORMS, form_of, line_lengths, split_lines
from .sources import RawPoem

MIN_CHARACTERS = 10
MAX_CHARACTERS = 4000  # the longest poem of 全唐诗 has 1,600; what is longer is not one poem
MAX_RAW_CHARACTERS = 10_000  # notes included; they are slow to find where deeply nested
MIN_SHARED_LINE = 4  # characters: 君不見 opens many poems that are no copies of each other
_RULES_VERSION = 4  # part of the cache's key: raise it when cleaning, clustering, splitting or mixing changes

_NAMED_SPLITS = [f"{name}:{part}" for name in sources.NAMED_SOURCES for part in SPLITS]
_NOTES = re.compile(r"（[^（）]*）|\([^()]*\)|\{[^{}]*\}|〖[^〖〗]*〗")
_WRAPPERS = str.maketrans("", "", "[]［］《》「」『』“”‘’\"'〔〕")
_FULL_STOPS = str.maketrans({"？": "。", "！": "。", "；": "。", "?": "。", "!": "。", ";": "。"})
_REPEATED_ENDS = re.compile("[，。]*。[，。]*|，+")


def load_corpus(source: str = "tang", exclude: Iterable[str] = (), *, use_cache: bool = True) -> Corpus:
    """Reads, cleans, clusters and splits a source; the result is kept in the user's cache folder.

    Args:
        source: see `sources.read_source`; or a file that `write_corpus` wrote, which is taken as it is; or
            several of these, joined by `+`: then the training splits of all are trained on, and held out are
            the poems of the first alone, whose near-copies are kept out of the others.
        exclude: poems to keep out of every split, with their near-copies: files, or a named source's split
            such as `tang:test`.
        use_cache: whether a result prepared earlier may be used and this one kept.

    Raises:
        CorpusError: the source cannot be read, or no poem is left.
    """
    exclude = [str(path) for path in exclude]
    first, *others = _parts(source)
    corpus = _load_one(first, exclude, (), use_cache)
    if not others:
        return corpus
    held_out = [*corpus.splits["valid"], *corpus.splits["test"]]
    if not held_out:
        raise CorpusError(
            f"{first!r} has too few poems to hold any out ({corpus.report.kept}), and a mixed corpus is "
            f"validated on its first part; put a larger one first, such as {others[0]}+{first}"
        )
    parts = [corpus, *(_load_one(name, exclude, held_out, use_cache) for name in others)]
    stored = [part.splits["train"] for part in parts]
    if not all(isinstance(poems, StoredPoems) for poems in stored):  # no cache to keep them in
        return mix(parts)
    files = sources.fingerprint([poems.path for poems in stored])
    return _cached([_RULES_VERSION, "mixed", files], lambda: mix(parts), use_cache)


def _parts(source: str) -> list[str]:
    """The sources that `+` joins; a path that has one in it is one source."""
    if "+" not in source or os.path.exists(source):
        return [source]
    parts = [part.strip() for part in source.split("+")]
    places = {os.path.realpath(part) if os.path.exists(part) else part for part in parts}
    if "" in parts or len(places) < len(parts):
        raise CorpusError(f"corpus {source!r}: expected different sources, joined as in tang+song")
    return parts


def _load_one(source: str, exclude: list[str], held_out: Sequence[PoemRecord], use_cache: bool) -> Corpus:
    """The corpus of one source, without the poems of `exclude` and `held_out` and their near-copies."""
    if source.endswith(".jsonl") and os.path.isfile(source) and (corpus := read_corpus(Path(source))):
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
            reasons = ", ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
            raise CorpusError(
                f"no poem to train on is left of {source!r} ({report.read} records read; "
                f"{reasons or 'it is empty'}; excluded: {report.excluded}); a poem is hanzi with ，。 and at "
                f"least {MIN_CHARACTERS} characters"
            )
        return corpus

    return _cached(key, prepare, use_cache)


def _locate_excluded(path: str) -> Path:
    try:
        return sources.locate(path)
    except CorpusError as error:
        raise CorpusError(f"--exclude: {error}; or a split: {', '.join(_NAMED_SPLITS)}") from error


def _check_prepared(source: str, corpus: Corpus, exclude: list[str], held_out: Sequence[PoemRecord]) -> None:
    """Refuses what would have to be kept out of a corpus whose splits are made."""
    if exclude:
        raise CorpusError(
            f"{source} is a prepared corpus, whose splits are made: give --exclude when it is prepared"
        )
    barred = {poem.text for poem in held_out}
    if count := sum(poem.text in barred for poem in corpus.splits["train"]) if barred else 0:
        raise CorpusError(
            f"{source} is a prepared corpus, and {count} of its poems to train on are held out by the corpus "
            "it is mixed with; prepare it again with --exclude of these, such as tang:valid tang:test"
        )


def _cached(key: list, prepare: Callable[[], Corpus], use_cache: bool) -> Corpus:
    """The corpus kept in the user's cache folder under `key`; else what `prepare` gives, which is kept."""
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = cache_folder() / f"corpus-{name}.jsonl"
    if use_cache and (corpus := read_corpus(path)):
        return corpus
    corpus = prepare()
    if use_cache:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time and memory, no more
            write_corpus(path, corpus)
            return read_corpus(path) or corpus
    return corpus


def mix(corpora: Sequence[Corpus]) -> Corpus:
    """The training splits of all as one, each text once, with the held-out poems of the first.

    Held-out poems of the others are in no split: they may be what another model is measured on.
    """
    first = corpora[0]
    train: dict[str, PoemRecord] = {}
    reports = [corpus.report for corpus in corpora]
    report = CorpusReport(source=" + ".join(report.source for report in reports))
    for name in ("read", "converted_from_simplified", "near_copies", "excluded"):
        setattr(report, name, sum(getattr(one, name) for one in reports))
    most = max(reports, key=lambda one: one.exclude_read)  # most often the same for all
    report.exclude_read, report.exclude_dropped = most.exclude_read, most.exclude_dropped
    report.dropped = dict(sum((Counter(one.dropped) for one in reports), Counter()))
    for place, corpus in enumerate(corpora, 1):
        name = corpus.report.source
        if name in report.mixed:  # of a file elsewhere only the name is told
            name += f" (corpus {place})"
        if corpus is not first and (unused := len(corpus.splits["valid"]) + len(corpus.splits["test"])):
            report.dropped[f"valid and test of {name}"] = unused
        new = {poem.text: poem for poem in corpus.splits["train"] if poem.text not in train}
        if again := len(corpus.splits["train"]) - len(new):
            report.dropped[f"of {name}, in an earlier corpus too"] = again
        report.mixed[name] = {"poems": len(new), "characters": sum(map(len, new))}
        train |= new
    splits = {"train": list(train.values()), "valid": first.splits["valid"], "test": first.splits["test"]}
    _describe(splits, report)
    return Corpus(splits, report)


def _read_excluded(path: str, report: CorpusReport) -> list[PoemRecord]:
    """The poems to exclude, however short, by their whole lines; drops are counted in `report`.

    A poem that has lost a character (□) is known by its other lines: a completed copy must not slip through.
    """
    if path in _NAMED_SPLITS:
        name, part = path.split(":")
        poems = load_corpus(name).splits[part]
        report.exclude_read += len(poems)
        return poems
    own = CorpusReport()
    raws = (replace(raw, text=raw.text and _whole_lines(raw.text)) for raw in sources.read_source(path))
    poems = clean(raws, own, min_characters=1)
    if not poems:
        raise CorpusError(f"--exclude {path} holds no poem ({own.read} records read); give a file of poems")
    report.exclude_read += own.read
    for reason, count in own.dropped.items():
        report.exclude_dropped[reason] = report.exclude_dropped.get(reason, 0) + count
    return poems


def clean_text(text: str) -> tuple[str, str]:
    """The poem without notes and wrappers, lines ended by `，` and `。`; and why it is dropped, or ''."""
    if len(text) > MAX_RAW_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    text = _fold_line_ends(text).lstrip("，。")
    if not text:
        return "", "empty"
    text = text.rstrip("，。") + "。"
    if len(text) > MAX_CHARACTERS:
        return "", f"over {MAX_CHARACTERS:,} characters"
    flaw = _flaw(text)
    return ("", flaw) if flaw else (text, "")


def _fold_line_ends(text: str) -> str:
    """The text unwrapped, with one full-width `，` or `。` at the end of each line."""
    text = script.fold_punctuation(unwrap(text).translate(_FULL_STOPS))
    return _REPEATED_ENDS.sub(lambda match: "。" if "。" in match[0] else "，", text)


def _flaw(text: str) -> str:
    """What stands in the text that is neither hanzi nor a line end; '' if nothing does."""
    if re.search("[□○〇●■◇]", text):
        return "lost characters (□, ○)"
    if re.search("[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]", text):
        return "digits or latin letters"
    return "" if all(c in "，。" or script.is_hanzi(c) for c in text) else "other symbols"


def _whole_lines(text: str) -> str:
    """The lines without a flaw; the text as it is where none has none, or where it is too long for a poem."""
    if len(text) > MAX_RAW_CHARACTERS:
        return text
    return "".join(line for line in split_lines(_fold_line_ends(text)) if not _flaw(line)) or text


def unwrap(text: str) -> str:
    """Drops editors' notes in （）(){}〖〗, nested ones too, and keeps what stands in [] 《》 「」."""
    while (without := _NOTES.sub("", text)) != text:
        text = without
    return text.translate(_WRAPPERS)


def clean_header(text: str) -> str:
    """A title or an author's name as the header holds it: its hanzi, with one `，` between its parts."""
    text = "".join(c if script.is_hanzi(c) else " " for c in unwrap(text))
    return "，".join(text.split())[:40].rstrip("，")


def clean(
    records: Iterable[RawPoem],
    report: CorpusReport,
    *,
    is_traditional: bool = False,
    min_characters: int = MIN_CHARACTERS,
) -> list[PoemRecord]:
    """The usable poems of some records, first of equal texts only; every drop is counted in `report`."""
    dropped: Counter[str] = Counter()
    kept: dict[str, tuple[str, str]] = {}
    for raw in records:
        report.read += 1
        text, reason = clean_text(raw.text) if raw.text is not None else ("", "not a poem record")
        if not reason and len(text) < min_characters:
            reason = f"under {min_characters} characters"
        if not reason and text in kept:
            reason = "the same text again"
        if reason:
            dropped[reason] += 1
        else:
            kept[text] = (clean_header(raw.title), clean_header(raw.author))
    report.dropped = dict(dropped)
    poems = [PoemRecord(text, title, author, form_of(text)) for text, (title, author) in kept.items()]
    return poems if is_traditional else _to_traditional(poems, report)


def _to_traditional(poems: list[PoemRecord], report: CorpusReport) -> list[PoemRecord]:
    """Poems in simplified script by phrase (OpenCC s2t), and simplified characters among traditional ones."""
    characters = "".join(sorted({c for poem in poems for c in poem.text + poem.title + poem.author}))
    short = dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))
    full = dict(zip(characters, script.characterwise(script.to_traditional, characters), strict=True))
    stray = {
        c: full[c]
        for c, is_one in zip(characters, script.is_only_simplified(characters), strict=True)
        if is_one
    }
    result: dict[str, PoemRecord] = {}
    for poem in poems:
        fields = (poem.text, poem.title, poem.author)
        simplified = sum(short[c] == c != full[c] for c in "".join(fields))
        traditional = sum(short[c] != c for c in "".join(fields))
        if simplified > traditional:
            fields = tuple(map(script.to_traditional, fields))
        else:
            fields = tuple("".join(stray.get(c, c) for c in value) for value in fields)
        if fields != (poem.text, poem.title, poem.author):
            report.converted_from_simplified += 1
            poem = PoemRecord(*fields, form=poem.form)
        if poem.text in result:
            report.dropped["the same text again"] = report.dropped.get("the same text again", 0) + 1
        result.setdefault(poem.text, poem)
    return list(result.values())


def cluster(texts: list[str]) -> list[int]:
    """A cluster number a poem: near-copies share one.

    Two poems are near-copies if they share at least half the lines of the shorter one, or two lines that
    are neighbours in both. Lines are compared in simplified script, so that variant characters do not hide
    a copy; lines under four characters do not count. The number is the index of the cluster's first poem.
    """
    characters = sorted({c for text in texts for c in text})
    fold = dict(zip(characters, script.characterwise(script.to_simplified, characters), strict=True))
    lines = [[line.rstrip("，。") for line in split_lines("".join(map(fold.get, text)))] for text in texts]
    lines = [[line for line in poem if len(line) >= MIN_SHARED_LINE] for poem in lines]
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(first: int, second: int) -> None:
        first, second = sorted((root(first), root(second)))
        parent[second] = first

    for first, *others in _holders(lines, pairwise).values():
        for other in others:
            join(first, other)
    holders = _holders(lines, set)
    for index, poem in enumerate(lines):
        shared = Counter(other for line in set(poem) for other in holders.get(line, ()) if other < index)
        for other, count in shared.items():
            if 2 * count >= min(len(set(poem)), len(set(lines[other]))):
                join(other, index)
    return [root(index) for index in range(len(texts))]


def _holders(lines: list[list[str]], keys: Callable) -> dict[object, list[int]]:
    """For each key that occurs in more than one poem: the poems, in order."""
    holders: dict[object, list[int]] = defaultdict(list)
    for index, poem in enumerate(lines):
        for key in set(keys(poem)):
            holders[key].append(index)
    return {key: poems for key, poems in holders.items() if len(poems) > 1}


def split(poems: list[PoemRecord], excluded: list[PoemRecord], report: CorpusReport) -> Corpus:
    """Sends whole clusters to train, valid or test (96/2/2) by a hash of the cluster's smallest poem."""
    clusters = cluster([poem.text for poem in (*poems, *excluded)])
    members: dict[int, list[PoemRecord]] = defaultdict(list)
    for poem, number in zip(poems, clusters, strict=False):
        members[number].append(poem)
    barred = set(clusters[len(poems) :])
    splits: dict[str, list[PoemRecord]] = {name: [] for name in SPLITS}
    for number, group in members.items():
        if number in barred:
            report.excluded += len(group)
            continue
        report.near_copies += len(group) - 1
        smallest = min(poem.text for poem in group)
        percent = int.from_bytes(hashlib.sha256(smallest.encode()).digest()[:8], "big") % 100
        splits["train" if percent < 96 else "valid" if percent < 98 else "test"].extend(group)
    _describe(splits, report)
    return Corpus(splits, report)


def _describe(splits: dict[str, list[PoemRecord]], report: CorpusReport) -> None:
    report.kept = sum(map(len, splits.values()))
    report.splits = {name: len(group) for name, group in splits.items()}
    report.characters = {name: sum(len(poem.text) for poem in group) for name, group in splits.items()}
    everything = [poem for group in splits.values() for poem in group]
    report.distinct_characters = len(set().union(*(poem.text for poem in everything)))
    forms = Counter(poem.form for poem in everything)
    report.forms = {form: forms[form] for form in (*FORMS, "")}
    bounds = (20, 28, 40, 56, 80, 120, 200, MAX_CHARACTERS)
    spans = Counter(next(b for b in bounds if sum(line_lengths(poem.text)) <= b) for poem in everything)
    report.lengths = {f"≤{bound}": spans[bound] for bound in bounds}


def add_vocabulary(report: CorpusReport, corpus: Corpus, known: Callable[[str], bool], size: int) -> None:
    """Completes a report with the vocabulary's size and the share of characters it lacks, by split."""
    report.vocabulary = size
    for name, poems in corpus.splits.items():
        counts: Counter[str] = Counter()
        for poem in poems:
            counts.update(poem.text)
        unknown = sum(count for character, count in counts.items() if not known(character))
        report.unknown_rate[name] = unknown / max(1, report.characters[name])


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.corpus", description="Prepares a corpus: cleaned, clustered, split."
    )
    parser.add_argument("source", help="as train.py --corpus")
    parser.add_argument("--exclude", nargs="+", default=[], metavar="FILE", help="as train.py --exclude")
    parser.add_argument("--output", type=Path, required=True, help="a .jsonl file for train.py --corpus")
    options = parser.parse_args(arguments)
    if options.output.suffix != ".jsonl":
        parser.error(f"--output must end in .jsonl, got {options.output}")
    try:
        corpus = load_corpus(options.source, options.exclude)
        write_corpus(options.output, corpus)
    except (CorpusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{corpus.report}\n\n    python train.py --corpus {options.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
