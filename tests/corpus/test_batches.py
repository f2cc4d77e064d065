"""Batches contain each poem once, score only what should be scored, and are the same in every process."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from conftest import POEMS, ROOT

from poet_model.corpus import PoemRecord
from poet_model.corpus.batches import IGNORE, HeaderRates, PoemBatches
from poet_model.corpus.encoded import EncodedPoems
from poet_model.prosody.lines import form_of
from poet_model.tokenizer import BOS, EOS, PAD, SEP

ALL_DROPPED, NONE_DROPPED = HeaderRates(1.0, 1.0, 1.0, all=0.0), HeaderRates(0.0, 0.0, 0.0, all=0.0)


def many_poems(count: int = 120) -> list[PoemRecord]:
    """Poems of several lengths, with and without header fields."""
    poems = []
    for index in range(count):
        text = POEMS[index % 4] * (1 + index % 3)
        title = POEMS[index % 3].replace("，", "").replace("。", "")[: index % 7]
        author = ("李白", "", "白")[index % 3]
        poems.append(PoemRecord(text, title, author, form_of(text)))
    return poems


def rows_of(epoch):
    """Each row of an epoch as (inputs, targets) without padding."""
    for inputs, targets in epoch:
        for row, row_targets in zip(inputs.tolist(), targets.tolist(), strict=True):
            length = len(row) - row.count(PAD)
            assert row[length:] == [PAD] * (len(row) - length)  # padding is only at the end
            assert set(row_targets[length:]) <= {IGNORE}
            yield row[:length], row_targets[:length]


def parts(row: list[int]) -> list[list[int]]:
    """The ids of the form, the author, the title, and the poem with everything after it, in a row."""
    fields: list[list[int]] = [[]]
    assert row[0] == BOS
    for token in row[1:]:
        if token == SEP and len(fields) < 4:
            fields.append([])
        else:
            fields[-1].append(token)
    return fields


def bodies_of(poems: EncodedPoems) -> list[list[int]]:
    """The ids after the header of each row."""
    rows = poems.read(np.arange(len(poems))).tolist()
    return [
        row[4 + sum(header) : length]
        for row, header, length in zip(
            rows, poems.parts.tolist(), np.diff(poems.starts).tolist(), strict=True
        )
    ]


def test_every_poem_appears_exactly_once_an_epoch(tokenizer):
    poems = many_poems()
    batches = PoemBatches(poems, tokenizer, batch_size=8, header=HeaderRates(), seed=3)
    expected = Counter(tokenizer.decode([*tokenizer.encode_characters(p.text), EOS]) for p in poems)
    for number in range(3):
        counts = Counter()
        for row, targets in rows_of(batches.epoch(number)):
            counts[tokenizer.decode([*parts(row)[3], targets[-1]])] += 1
        assert counts == expected


def test_without_dropping_the_stream_is_the_tokenizers(tokenizer):
    poems = many_poems()
    expected = Counter(tuple(tokenizer.encode_poem(p.text, p.title, p.author, p.form)) for p in poems)
    for header in (None, NONE_DROPPED):
        epoch = PoemBatches(poems, tokenizer, header=header).epoch(0)
        assert Counter((*row, targets[-1]) for row, targets in rows_of(epoch)) == expected
        num_tokens = sum(int((inputs != PAD).sum()) for inputs, _ in epoch)
        assert num_tokens == sum(map(len, expected.elements())) - len(poems)


def test_targets_are_the_inputs_shifted_and_headers_are_never_scored(tokenizer):
    batches = PoemBatches(many_poems(), tokenizer, batch_size=8, header=HeaderRates())
    scored_tokens, titles_scored, titles_empty = 0, 0, 0
    epoch = batches.epoch(1)
    for row, targets in rows_of(epoch):
        form, author, title, body = parts(row)
        for next_token, target in zip(row[1:], targets[:-1], strict=True):
            assert target in (IGNORE, next_token)
        read_only = 1 + len(form) + 1 + len(author)  # these inputs predict tokens up to the second <sep>
        of_title = len(title) + 1
        assert set(targets[:read_only]) == {IGNORE}
        if title:
            assert targets[read_only : read_only + of_title] == [*title, SEP]
            titles_scored += 1
        else:
            assert targets[read_only] == IGNORE  # the <sep> after an empty title
            titles_empty += 1
        assert targets[read_only + of_title :] == [*body, EOS]
        scored_tokens += sum(target != IGNORE for target in targets)
    assert titles_scored > 10
    assert titles_empty > 10
    assert scored_tokens == sum(int((targets != IGNORE).sum()) for _, targets in epoch) > 1000


def test_title_is_not_scored_when_it_does_not_count(tokenizer):
    epoch = PoemBatches(many_poems(), tokenizer, score_title=False).epoch(0)
    for row, targets in rows_of(epoch):
        body = parts(row)[3]
        assert [target for target in targets if target != IGNORE] == [*body, EOS]


def test_header_fields_are_dropped_at_the_rates_given(tokenizer):
    poems = [PoemRecord(POEMS[0], "望月", "李白", "五絕")] * 4000
    header = HeaderRates(form=0.3, author=0.2, title=0.1, all=0.15)
    epoch = PoemBatches(poems, tokenizer, batch_size=64, header=header).epoch(0)
    given = Counter(tuple(bool(field) for field in parts(row)[:3]) for row, _ in rows_of(epoch))
    for field, rate in enumerate(header[:3]):
        share = sum(count for kept, count in given.items() if kept[field]) / len(poems)
        assert share == pytest.approx((1 - rate) * 0.85, abs=0.03)
    assert given[True, True, True] / len(poems) == pytest.approx(0.7 * 0.8 * 0.9 * 0.85, abs=0.03)
    assert given[False, False, False] / len(poems) == pytest.approx(0.15 + 0.85 * 0.006, abs=0.03)
    dropped = PoemBatches(poems[:9], tokenizer, header=ALL_DROPPED).epoch(0)
    assert all(parts(row)[:3] == [[], [], []] for row, _ in rows_of(dropped))


def test_batches_of_exact_length_have_no_padding(tokenizer):
    poems = [PoemRecord(POEMS[0])] * 32 + [PoemRecord(POEMS[3])] * 16 + [PoemRecord(POEMS[1])] * 3
    epoch = PoemBatches(poems, tokenizer, batch_size=8).epoch(0)
    sizes = sorted((inputs.shape[0], bool((inputs == PAD).any())) for inputs, _ in epoch)
    assert sizes == [(3, False)] + [(8, False)] * 6
    mixed = PoemBatches(many_poems(), tokenizer, batch_size=8, header=HeaderRates()).epoch(0)
    padded = [inputs for inputs, _ in mixed if (inputs == PAD).any()]
    assert padded  # the remaining rows of several lengths share batches …
    assert sum(map(len, padded)) < 8 * len({len(row) for row, _ in rows_of(mixed)})  # … and no others do


@pytest.mark.parametrize("max_tokens", [16, 200, 600])
def test_batch_sizes_stay_within_the_bounds(tokenizer, max_tokens):
    epoch = PoemBatches(many_poems(), tokenizer, batch_size=16, max_tokens=max_tokens).epoch(0)
    shapes = [inputs.shape for inputs, _ in epoch]
    assert len(epoch) == len(shapes)
    for rows, length in shapes:
        assert rows <= 16
        assert rows * length <= max_tokens or rows == 1
    assert max(rows for rows, _ in shapes) == {16: 1, 200: 6, 600: 16}[max_tokens]


def test_long_poems_are_cut_at_line_ends_and_nothing_is_lost(tokenizer):
    poem = PoemRecord(POEMS[3] * 6 + "白" * 90 + "。" + POEMS[0], "望月", "李白")
    poem_ids = tokenizer.encode_characters(poem.text)
    pieces = PoemBatches([poem], tokenizer, max_length=64, batch_size=2).poems
    bodies = bodies_of(pieces)
    assert len(bodies) > 3
    assert [token for body in bodies for token in body] == [*poem_ids, EOS]
    ends = set(tokenizer.encode_characters("，。"))
    long_line = tokenizer.ids["白"]
    assert all(body[-1] in ends or set(body[-10:]) == {long_line} for body in bodies[:-1])
    epoch = PoemBatches([poem], tokenizer, max_length=64, batch_size=2).epoch(0)
    rows = list(rows_of(epoch))
    assert all(len(row) <= 64 for row, _ in rows)
    assert all(
        parts(row)[1:3] == [tokenizer.encode_characters(f) for f in ("李白", "望月")] for row, _ in rows
    )
    assert sum(targets[-1] == EOS for _, targets in rows) == 1


@pytest.mark.parametrize("room_lines", range(1, 6))
def test_cutting_loses_nothing_at_any_length(tokenizer, room_lines):
    poem = PoemRecord(POEMS[0] * 4)
    for max_length in range(8 + 6 * room_lines, 8 + 6 * room_lines + 6):
        rows = PoemBatches([poem], tokenizer, max_length=max_length).poems
        ids = [token for body in bodies_of(rows) for token in body]
        assert ids == [*tokenizer.encode_characters(poem.text), EOS]


DIGEST = """
import hashlib, sys
sys.path[:0] = ["tests", "tests/corpus"]
from test_batches import many_poems, tokenizer_of_poems
from poet_model.corpus.batches import HeaderRates, PoemBatches
epoch = PoemBatches(many_poems(), tokenizer_of_poems(), batch_size=8, header=HeaderRates(), seed=5).epoch(2)
print(hashlib.sha256(repr([(i.tolist(), t.tolist()) for i, t in epoch]).encode()).hexdigest())
"""


def tokenizer_of_poems():
    from poet_model import PoetTokenizer

    return PoetTokenizer.from_texts(POEMS, min_count=1, required="，。五七絕律李白")


def test_two_processes_make_the_same_batches():
    def digest(hash_seed: str) -> str:
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert len(digest("1")) == 65
    assert digest("1") == digest("2")


def test_epochs_and_seeds_differ_and_repeat(tokenizer):
    def ids(seed: int, number: int) -> list:
        batches = PoemBatches(many_poems(), tokenizer, batch_size=8, header=HeaderRates(), seed=seed)
        return [inputs.tolist() for inputs, _ in batches.epoch(number)]

    assert ids(0, 0) == ids(0, 0)
    assert ids(0, 0) != ids(0, 1)
    assert ids(0, 0) != ids(1, 0)


def test_unknown_characters_are_unk_tokens(tokenizer):
    (row, targets), *_ = rows_of(PoemBatches([PoemRecord("龘龘。", "龘")], tokenizer).epoch(0))
    assert tokenizer.decode(row) == "<bos><sep><sep><unk><sep><unk><unk>。"
    assert targets[-1] == EOS


def test_poems_in_a_file_are_those_in_memory(tokenizer):
    poems = many_poems()
    memory, file = (EncodedPoems(poems, tokenizer, 64, in_memory=size) for size in (1 << 24, 100))
    assert memory._file is None and file._file is not None
    rows = np.random.default_rng(0).permutation(len(memory))
    assert np.array_equal(memory.starts, file.starts) and np.array_equal(memory.parts, file.parts)
    assert np.array_equal(memory.read(rows), file.read(rows))


def test_lengths_of_many_rows_are_kept_whole(tokenizer):
    """Lengths are stored in pieces, each with the smallest possible type; here the last needs a wider one."""
    poems = [PoemRecord("春" * (5 + i % 7) + "。", author="李" * (i % 3)) for i in range(70_000)]
    poems.append(PoemRecord("春" * 300 + "。"))
    encoded = EncodedPoems(poems, tokenizer, max_length=1000)
    lengths = [len(tokenizer.encode_header("", poem.author, "")) + len(poem.text) + 1 for poem in poems]
    assert np.array_equal(encoded.starts, np.cumsum([0, *lengths]))
    assert np.array_equal(encoded.parts, [(0, len(poem.author), 0) for poem in poems])


def test_invisible_characters_in_a_header_take_no_room(tokenizer):
    poem = PoemRecord(POEMS[0], "望\u200b月", "李\ufeff白", "五絕")
    [(row, _)] = rows_of(PoemBatches([poem], tokenizer, header=NONE_DROPPED).epoch(0))
    assert [*row, EOS] == tokenizer.encode_poem(POEMS[0], "望月", "李白", "五絕")
