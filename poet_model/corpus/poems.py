"""Corpus: clean poems by split, with a report, and the file format that stores both.

It knows nothing about sources or cleaning; prepare.py builds the objects defined here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

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


@dataclass
class CorpusReport:
    """How many records were read, kept and dropped, and why.

    Printed before training and saved with the model. Every record is counted once:
    `read == kept + excluded + sum(dropped.values())`. If several corpora were mixed, `mixed` has the number
    of poems and characters that each contributes to the training split.
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
    """

    def __init__(self, path: Path, split: str, count: int):
        self.path, self.split, self.count = path, split, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[PoemRecord]:
        try:
            with open(self.path, encoding="utf-8", newline="\n") as file:
                next(file)  # the report
                yield from (poem for split, poem in map(_read_line, file) if split == self.split)
        except (OSError, ValueError, TypeError, StopIteration) as error:
            raise CorpusError(
                f"the prepared corpus {self.path} was changed or removed while it was in use "
                f"({type(error).__name__}: {error}); run the command again"
            ) from error

    def __getitem__(self, index):
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


def read_corpus(path: Path) -> Corpus | None:
    """Reads a corpus written by `write_corpus`; None if the file is missing, damaged or of another kind.

    The training split stays in the file (StoredPoems); the other splits are small and are loaded.
    """
    splits: dict[str, list[PoemRecord]] = {name: [] for name in SPLITS}
    in_train = 0
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            report = CorpusReport(**json.loads(next(file)))
            for line in file:
                name, poem = _read_line(line)
                if name == "train":
                    in_train += 1
                else:
                    splits[name].append(poem)
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        return None
    stored = splits | {"train": StoredPoems(path, "train", in_train)}
    is_whole = report.splits == {name: len(poems) for name, poems in stored.items()}
    return Corpus(stored, report) if is_whole else None


def _read_line(line: str) -> tuple[str, PoemRecord]:
    name, *fields = json.loads(line)
    return name, PoemRecord(*fields)
