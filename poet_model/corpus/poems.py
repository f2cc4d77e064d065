"""Corpus: clean poems by split, with a report, and the file format that stores both.

It knows nothing about sources or cleaning; prepare.py builds the objects defined here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import overload

from ..errors import CorpusError
from ..files import write_pieces

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class PoemRecord:
    """A clean poem in traditional script: only hanzi, `，` and `。`. Header fields may be empty."""

    text: str
    title: str = ""
    author: str = ""
    form: str = ""


class ContentHash:
    """The SHA-256 of poems in their order: texts, titles, authors and forms."""

    def __init__(self, poems: Iterable[PoemRecord] = ()):
        self._hash = hashlib.sha256()
        for poem in poems:
            self.add(poem)

    def add(self, poem: PoemRecord) -> None:
        """Adds the next poem."""
        fields = f"{poem.text}\x1f{poem.title}\x1f{poem.author}\x1f{poem.form}\x1e"
        self._hash.update(fields.encode("utf-8", "surrogatepass"))

    def hexdigest(self) -> str:
        """The hash of the poems added so far."""
        return self._hash.hexdigest()


@dataclass
class CorpusReport:
    """How many records were read, kept and dropped, and why.

    Printed before training and saved with the model. Every record is counted once:
    `read == kept + excluded + sum(dropped.values())`. If several corpora were mixed, `mixed` has the number
    of poems and characters that each contributes to the training split. `content` has the ContentHash of each
    split; it is empty in reports written before there was one.
    """

    source: str = ""
    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    converted_from_simplified: int = 0
    near_copies: int = 0
    excluded: int = 0
    exclude_read: int = 0
    exclude_dropped: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    characters: dict[str, int] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    distinct_characters: int = 0
    forms: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    vocabulary: int = 0
    unknown_rate: dict[str, float] = field(default_factory=dict)
    mixed: dict[str, dict[str, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [
            ("source", self.source),
            ("read", f"{self.read:,} records"),
            *((f"  dropped: {reason}", f"{count:,}") for reason, count in sorted(self.dropped.items())),
            ("converted from simplified", f"{self.converted_from_simplified:,}"),
            ("near-copies of another poem", f"{self.near_copies:,}"),
            (
                "excluded",
                f"{self.excluded:,}, equal or close to one of {self.exclude_read:,} records in --exclude"
                f"{' or to a held-out poem' if self.mixed else ''}",
            ),
            *((f"  unusable in --exclude: {why}", f"{n:,}") for why, n in self.exclude_dropped.items()),
            ("kept", f"{self.kept:,} poems, {self.distinct_characters:,} distinct characters"),
            *(
                (f"  {split}", f"{self.splits[split]:,} poems, {self.characters[split]:,} characters")
                for split in self.splits
            ),
            *(
                (f"  train, from {source}", f"{part['poems']:,} poems, {part['characters']:,} characters")
                for source, part in self.mixed.items()
            ),
            ("forms", ", ".join(f"{form or 'other'} {count:,}" for form, count in self.forms.items())),
            ("characters per poem", ", ".join(f"{span}: {count:,}" for span, count in self.lengths.items())),
        ]
        if self.vocabulary:
            unknown = ", ".join(f"{split} {rate:.3%}" for split, rate in self.unknown_rate.items())
            rows += [("vocabulary", f"{self.vocabulary:,} tokens"), ("unknown characters", unknown)]
        return "\n".join(f"{name:<30} {value}" for name, value in rows)


class StoredPoems(Sequence[PoemRecord]):
    """The poems of one split of a prepared corpus, read from its file on each iteration.

    Training iterates over the poems only twice, and 300,000 poems as Python objects would take more memory
    than everything else that it needs. Slicing returns a list.

    Args:
        path: a file written by `write_corpus`.
        split: the name of the split.
        count: the number of poems in it.
        content: their ContentHash, which each whole iteration checks.
    """

    def __init__(self, path: Path, split: str, count: int, content: str):
        self.path: Path = path
        self.split: str = split
        self.content: str = content
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[PoemRecord]:
        content = ContentHash()
        try:
            with open(self.path, encoding="utf-8", newline="\n") as file:
                next(file)  # the report
                for split, poem in map(_read_line, file):
                    if split == self.split:
                        content.add(poem)
                        yield poem
            if content.hexdigest() != self.content:
                raise ValueError("it has other poems now")
        except (OSError, ValueError, TypeError, StopIteration) as error:
            raise CorpusError(
                f"the prepared corpus {self.path} was changed or removed while it was in use "
                f"({type(error).__name__}: {error}); run the command again"
            ) from error

    @overload
    def __getitem__(self, index: int) -> PoemRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[PoemRecord]: ...

    def __getitem__(self, index: int | slice) -> PoemRecord | list[PoemRecord]:
        if isinstance(index, slice) and (index.step or 1) > 0:
            return list(islice(self, *index.indices(len(self))))
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


@dataclass
class Corpus:
    """Poems by split, and the report on how they were prepared."""

    splits: dict[str, Sequence[PoemRecord]]
    report: CorpusReport


def write_corpus(path: Path, corpus: Corpus) -> None:
    """Writes a prepared corpus as JSON lines: first the report, then each poem with its split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pieces(path, _lines_of(corpus))


def _lines_of(corpus: Corpus) -> Iterator[str]:
    yield json.dumps(asdict(corpus.report), ensure_ascii=False) + "\n"
    for name, poems in corpus.splits.items():
        for poem in poems:
            fields = [name, poem.text, poem.title, poem.author, poem.form]
            yield json.dumps(fields, ensure_ascii=False) + "\n"


def read_corpus(path: Path, *, by_user: bool = False) -> Corpus | None:
    """Reads a corpus written by `write_corpus`; None if the file is missing, damaged or of another kind.

    The training split stays in the file (StoredPoems); the other splits are small and are loaded.

    Args:
        path: the file.
        by_user: whether a user gives the file and may have corrected poems in it. They are then accepted, and
            the report describes them. Otherwise they count as damage.

    Raises:
        CorpusError: a user's file has more or fewer poems than its report says.
    """
    splits: dict[str, list[PoemRecord]] = {name: [] for name in SPLITS}
    counts, characters = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
    hashes = {name: ContentHash() for name in SPLITS}
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            report = CorpusReport(**json.loads(next(file)))
            for name, poem in map(_read_line, file):
                counts[name] += 1
                characters[name] += len(poem.text)
                hashes[name].add(poem)
                if name != "train":
                    splits[name].append(poem)
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        return None
    content = {name: each.hexdigest() for name, each in hashes.items()}
    if report.splits != counts:
        if by_user and report.splits:
            raise CorpusError(
                f"{path} is a prepared corpus with {sum(counts.values()):,} poems, but its report counts "
                f"{report.kept:,}; prepare it again with python -m poet_model.corpus"
            )
        return None
    if report.content != content:
        if report.content and not by_user:
            return None
        report.content, report.characters = content, characters
    return Corpus(splits | {"train": StoredPoems(path, "train", counts["train"], content["train"])}, report)


def _read_line(line: str) -> tuple[str, PoemRecord]:
    name, *fields = json.loads(line)
    return name, PoemRecord(*fields)
