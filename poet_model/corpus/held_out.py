"""held_out.json: the hashes of the poems that were held out when a model was trained.

With this file the model can be evaluated on exactly those poems, without the files given to --exclude. This
module knows nothing about models.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import defaultdict
from pathlib import Path

from ..corpus import Corpus, CorpusReport, PoemRecord
from ..errors import CheckpointError, CorpusError, quoted
from ..files import read_json, write_text
from ..model_folder import HELD_OUT_NAME, REPORT_NAME

DIGITS = 12  # digits of a hash; of 6,000 corpora of 300,000 poems, about one has two poems that collide
PARTS = ("valid", "test")
FORMAT_VERSION = 1
MAX_MISSING = 1 / 50  # share of held-out poems that a later version's cleaning rules may have dropped


def digest(text: str) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a poem's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def held_out_record(corpus: Corpus) -> dict[str, list[str]]:
    """The hashes of the poems in the valid and test splits, in order."""
    return {part: [digest(poem.text) for poem in corpus.splits[part]] for part in PARTS}


def write_held_out(folder: Path, corpus: Corpus) -> None:
    """Writes held_out.json: the hashes of the poems in the valid and test splits."""
    record = {"format_version": FORMAT_VERSION, **held_out_record(corpus)}
    write_text(folder / HELD_OUT_NAME, json.dumps(record, separators=(",", ":")) + "\n")


def read_held_out(folder: Path) -> dict[str, list[str]] | None:
    """The hashes in held_out.json, by split; None if the folder has no such file.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / HELD_OUT_NAME
    if not path.exists():
        return None
    record = read_json(path, dict)
    if record.get("format_version") != FORMAT_VERSION or record.keys() != {"format_version", *PARTS}:
        raise CheckpointError(
            f"{path} has format_version {quoted(record.get('format_version'))} and the keys "
            f"{quoted(sorted(record))}, expected format_version {FORMAT_VERSION} and the keys "
            f"{', '.join(PARTS)}; download it again, "
            "or delete it and give the --exclude of the training run"
        )
    hashes = [one for part in PARTS for one in (record[part] if isinstance(record[part], list) else [None])]
    wrong = [
        one for one in hashes if not isinstance(one, str) or not re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", one)
    ]
    if wrong or len(set(hashes)) < len(hashes):
        what = quoted(str(wrong[0])) if wrong else "the same hash twice"
        raise CheckpointError(
            f"{path} contains {what}, expected lists of different hashes of {DIGITS} digits; download it "
            "again, or delete it and give the --exclude of the training run"
        )
    return {part: record[part] for part in PARTS}


def pick(corpus: Corpus, held_out: dict[str, list[str]]) -> Corpus:
    """The corpus with exactly the held-out poems in valid and test, and all its other poems in train.

    If `corpus` was prepared without --exclude, train also contains the poems that the model's training
    excluded. It contains no near-copy of a held-out poem, since clusters are held out as a whole.

    Up to one in 50 held-out poems may be missing, with a warning: the cleaning rules of a later version drop
    damaged poems that an earlier one kept.

    Raises:
        CorpusError: the corpus lacks more of the held-out poems.
    """
    by_hash: dict[str, list[PoemRecord]] = defaultdict(list)
    for poems in corpus.splits.values():
        for poem in poems:
            by_hash[digest(poem.text)].append(poem)
    wanted = [one for part in PARTS for one in held_out[part]]
    missing = sum(one not in by_hash for one in wanted)
    found = (
        f"{missing:,} of the {len(wanted):,} poems held out in the model's training are not "
        f"in this corpus ({corpus.report.source}, {corpus.report.kept:,} poems)"
    )
    if missing > MAX_MISSING * len(wanted):
        raise CorpusError(f"{found}; give the --corpus that the model was trained on")
    if missing:
        warnings.warn(f"{found}, whose cleaning rules have changed; the others are used", stacklevel=2)
    splits = {part: [poem for one in held_out[part] for poem in by_hash[one]] for part in PARTS}
    in_held_out = set(wanted)
    train = [poem for one, poems in by_hash.items() if one not in in_held_out for poem in poems]
    return Corpus({"train": train, **splits}, corpus.report)


def check_same_corpus(folder: Path, report: CorpusReport) -> None:
    """Checks that a corpus holds out the same poems as the training of a model did.

    Compares the hashes of valid and test in the reports. Older reports have none; then their numbers of
    characters are compared, which another corpus or --exclude almost surely changes.

    Args:
        folder: the model folder, with the report on its training corpus.
        report: on the corpus to evaluate on.

    Raises:
        CorpusError: valid or test differ.
    """
    trained = read_json(folder / REPORT_NAME, dict)
    hashes, counts = (trained.get(name) or {} for name in ("content", "characters"))
    now, then = (report.content, hashes) if hashes else (report.characters, counts)
    if different := [part for part in PARTS if now.get(part) != then.get(part)]:
        characters = [{part: each.get(part) for part in different} for each in (report.characters, counts)]
        how = (
            "they have {} characters, but had {}".format(*characters)
            if characters[0] != characters[1]
            else "a text, a title, an author or their order was changed"
        )
        raise CorpusError(
            f"the {' and '.join(different)} poems of this corpus ({report.source}) are not those of the "
            f"training of {folder}: {how}; give the --corpus and --exclude of its training"
        )
