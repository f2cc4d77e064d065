"""The poems that a run trains and validates on, including corpora too small to be split by clusters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import POEMS

from poet_model import PoetTokenizer
from poet_model.corpus import Corpus, CorpusReport, PoemRecord
from poet_model.corpus.poems import ContentHash
from poet_model.corpus.training_split import training_split
from poet_model.errors import CorpusError
from poet_model.training.data import SMALL_CORPUS, prepare_data


def corpus_of(train: int, valid: int = 0, test: int = 0) -> Corpus:
    poems = [PoemRecord(POEMS[number % 4]) for number in range(train + valid + test)]
    splits = {"train": poems[:train], "valid": poems[train : train + valid], "test": poems[train + valid :]}
    report = CorpusReport(source="mine.txt")
    for name, part in splits.items():
        report.splits[name] = len(part)
        report.characters[name] = sum(len(poem.text) for poem in part)
    return Corpus(splits, report)


def test_what_is_held_out_already_is_validated_on():
    corpus = corpus_of(30, 5, 7)
    before = dict(corpus.splits)
    assert training_split(corpus) == (before["train"], before["valid"], "")
    assert training_split(corpus, limit=8).train == before["train"][:8]
    assert corpus.splits == before and corpus.report.splits == {"train": 30, "valid": 5, "test": 7}


def test_without_poems_to_validate_on_those_to_test_on_are_taken():
    corpus = corpus_of(30, 0, 7)
    assert training_split(corpus).valid == corpus.splits["test"]


@pytest.mark.parametrize(
    ("poems", "limit", "held_out"), [(2, None, 1), (19, None, 1), (60, None, 3), (60, 40, 2)]
)
def test_of_a_small_corpus_the_last_twentieth_is_held_out(poems, limit, held_out):
    corpus = corpus_of(poems)
    taken = corpus.splits["train"][:limit]
    train, valid, note = training_split(corpus, limit)
    assert [*train, *valid] == taken and len(valid) == held_out
    those = "the last one is" if held_out == 1 else f"the last {held_out} are"
    assert f"{those} held out for validation" in note
    assert corpus.splits == {"train": train, "valid": valid, "test": []}
    assert corpus.report.splits == {"train": len(train), "valid": held_out, "test": 0}
    for name, part in (("train", train), ("valid", valid)):
        assert corpus.report.characters[name] == sum(len(poem.text) for poem in part)


@pytest.mark.parametrize("poems", [0, 1])
def test_one_poem_is_too_few(poems):
    with pytest.raises(
        CorpusError, match=rf"at least 2 poems are needed for training, got {poems} from 'mine.txt'"
    ):
        training_split(corpus_of(poems))


def test_of_a_small_corpus_every_character_counts():
    data = prepare_data(corpus_of(8))
    assert data.is_small and data.note and data.corpus.report.vocabulary == len(data.tokenizer)
    assert set("".join(poem.text for poem in data.train)) <= set(data.tokenizer.characters)
    large = prepare_data(corpus_of(SMALL_CORPUS, 5))
    assert not large.is_small and not large.note


@pytest.mark.parametrize("size", [8, SMALL_CORPUS])
def test_the_model_to_start_from_keeps_its_vocabulary(size):
    known, corpus = PoetTokenizer("甲乙丙"), corpus_of(size, 5)
    tokenizer = prepare_data(corpus, known=known).tokenizer
    assert tokenizer.characters[:3] == known.characters
    assert set(prepare_data(corpus).tokenizer.characters) <= set(tokenizer.characters)


OTHER = {
    "a corrected character": lambda train: [replace(train[0], text="雪" + train[0].text[1:]), *train[1:]],
    "another title": lambda train: [replace(train[0], title="夜"), *train[1:]],
    "another author": lambda train: [replace(train[0], author="李白"), *train[1:]],
    "another order": lambda train: [train[1], train[0], *train[2:]],
    "one poem for another": lambda train: [*train[:-1], train[0]],
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_the_hashes_tell_corpora_of_the_same_size_apart(change):
    first, second = corpus_of(30, 5, 7), corpus_of(30, 5, 7)
    second.splits["train"] = change(second.splits["train"])
    one, other = (prepare_data(corpus).hashes() for corpus in (first, second))
    assert one == prepare_data(corpus_of(30, 5, 7)).hashes()
    different = {name for name in one if one[name] != other[name]} - {"the vocabulary"}
    assert different == {"the poems to train on"}


def test_the_hashes_say_what_differs():
    def different(data) -> set[str]:
        return {name for name, value in data.hashes().items() if value != whole[name]}

    whole = prepare_data(corpus_of(30, 5, 7)).hashes()
    assert different(prepare_data(corpus_of(30, 5, 7), limit=29)) == {"the poems to train on"} | (
        different(prepare_data(corpus_of(29, 5, 7))) & {"the vocabulary"}
    )
    other = corpus_of(30, 5, 7)
    other.splits["test"] = other.splits["test"][::-1]
    assert different(prepare_data(other)) == {"the test poems"}
    other.splits["valid"] = other.splits["valid"][::-1]
    assert different(prepare_data(other)) == {"the test poems", "the poems to validate on"}
    known = PoetTokenizer("山月")
    assert different(prepare_data(corpus_of(30, 5, 7), known=known)) == {"the vocabulary"}


def test_the_report_of_a_small_corpus_has_the_hashes_of_its_new_splits():
    corpus = corpus_of(60)
    training_split(corpus)
    expected = {name: ContentHash(corpus.splits[name]).hexdigest() for name in ("train", "valid")}
    assert corpus.report.content == expected and expected["train"] != expected["valid"]
