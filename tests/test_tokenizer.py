"""PoetTokenizer, with the `tokenizers` library as the oracle for its file."""

import json
import os
import subprocess
import sys

import pytest
from conftest import POEMS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from poet_model import CheckpointError, InvalidValueError, PoetTokenizer, UnknownCharacterError
from poet_model.tokenizer import BOS, EOS, SEP, SPECIAL_TOKENS, UNK

RARE = "𠀀𪚥😀\n 　\u2028<>|"
PIECES = st.sampled_from(
    [*SPECIAL_TOKENS, *POEMS[0], *RARE, "<sep", "sep>", "<<pad>>", "龘", "e\u0301", "\r\n"]
)
TEXTS = st.lists(PIECES | st.characters(exclude_categories=["Cs"])).map("".join)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A PoetTokenizer, and the one that the `tokenizers` library reads from its saved file."""
    folder = tmp_path_factory.mktemp("tokenizer")
    ours = PoetTokenizer.from_texts([*POEMS, RARE], min_count=1)
    ours.save(folder)
    return ours, Tokenizer.from_file(str(folder / "tokenizer.json"))


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_the_tokenizers_library_gives_the_same_ids_and_text(pair, text):
    ours, theirs = pair
    ids = ours.encode(text)
    assert theirs.encode(text).ids == ids
    for skip in (False, True):
        assert theirs.decode(ids, skip_special_tokens=skip) == ours.decode(ids, skip_special_tokens=skip)


@settings(deadline=None)
@given(text=st.text(alphabet=st.sampled_from("".join(dict.fromkeys("".join(POEMS) + RARE)))))
def test_known_text_comes_back(pair, text):
    ours, _ = pair
    assert ours.decode(ours.encode_characters(text)) == text


@pytest.mark.parametrize("text", ["龘", "龘龘", "春龘", "𪜀", ""])
def test_unknown_characters_are_one_unk_each(pair, text):
    ours, theirs = pair
    expected = [ours.ids.get(c, UNK) for c in text]
    assert ours.encode(text) == theirs.encode(text).ids == expected


def test_the_library_reads_the_whole_stream_as_ours(pair):
    ours, theirs = pair
    ids = ours.encode_poem(POEMS[1], title="春眠")
    assert theirs.decode(ids, skip_special_tokens=False) == f"<bos><sep><sep>春眠<sep>{POEMS[1]}<eos>"
    assert theirs.encode(ours.decode(ids)).ids == ids


def test_special_tokens_have_ids_0_to_4_in_the_file(pair):
    _, theirs = pair
    assert [theirs.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_the_stream_is_header_poem_end(tokenizer):
    ids = tokenizer.encode_poem("春眠，", title="花", author="李白", form="五絕")
    known = tokenizer.ids
    assert ids == [
        *(BOS, known["五"], known["絕"], SEP, known["李"], known["白"], SEP, known["花"], SEP),
        *(known["春"], known["眠"], known["，"], EOS),
    ]
    assert tokenizer.encode_poem("") == [BOS, SEP, SEP, SEP, EOS]


@pytest.mark.parametrize("text", ["春眠,", "春\u200b眠，", "\ufeff春 眠､\n", "春\ufe00眠\u00ad，"])
def test_marks_and_invisible_characters_that_are_unknown_are_folded(tokenizer, text):
    assert tokenizer.encode_characters(text) == tokenizer.encode_characters("春眠，")
    assert tokenizer.encode_header(title=text) == tokenizer.encode_header(title="春眠，")
    assert tokenizer.encode_poem(text) == tokenizer.encode_poem("春眠，")


def test_breaks_end_the_lines_of_a_poem_and_unknown_hanzi_stay(tokenizer):
    assert tokenizer.encode_poem("白日依山盡\n黃河入海流") == tokenizer.encode_poem("白日依山盡，黃河入海流")
    assert tokenizer.encode_characters("春龘,眠") == [
        tokenizer.ids.get(character, UNK) for character in "春龘，眠"
    ]


def test_known_marks_and_spaces_are_kept(tokenizer):
    own = PoetTokenizer("春眠， ,\n")
    assert own.decode(own.encode_characters("春 眠,\n")) == "春 眠,\n"
    assert own.decode(own.encode_poem("春 眠,\n"), skip_special_tokens=True) == "春 眠,\n"


def test_a_special_token_written_by_a_user_is_no_token_in_a_poem(tokenizer):
    assert tokenizer.encode_poem("<sep>", title="<eos>").count(SEP) == 3
    assert tokenizer.encode_poem("<sep>", title="<eos>").count(EOS) == 1


def test_ids_go_by_frequency_then_code_point():
    texts = ["天天地地人", "天地人龜"]
    tokenizer = PoetTokenizer.from_texts(texts, min_count=2, required="春")
    assert tokenizer.characters == (
        "地",
        "天",
        "人",
        "春",
    )  # 地 U+5730 comes before 天 U+5929; 春 is required
    assert tokenizer.ids["地"] == 5
    assert "龜" not in tokenizer


def test_ids_are_the_same_in_every_process():
    code = (
        "from poet_model import PoetTokenizer\n"
        f"print(ascii(''.join(PoetTokenizer.from_texts({POEMS!r}, min_count=1, required='五七').characters)))"
    )
    here = PoetTokenizer.from_texts(POEMS, min_count=1, required="五七").characters
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
        )
        assert result.stdout.decode().strip() == ascii("".join(here))


def test_saved_and_loaded_are_equal(pair, tmp_path):
    ours, _ = pair
    ours.save(tmp_path)
    loaded = PoetTokenizer.load(tmp_path)
    assert loaded.tokens == ours.tokens
    record = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (record["unk_token"], record["bos_token"], record["eos_token"]) == ("<unk>", "<bos>", "<eos>")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.pop("model"), "model.vocab is missing"),
        (lambda record: record.update(model={"vocab": [["春", 0]]}), "model.vocab is missing"),
        (lambda record: record["model"]["vocab"].update(春=1.5), "model.vocab is missing"),
        (lambda record: record["model"]["vocab"].update(春=10_000), "ids must be 0, 1, 2"),
        (lambda record: record["model"]["vocab"].update(春=6), "ids must be 0, 1, 2"),
        (lambda record: record["model"]["vocab"].pop("<pad>"), "ids must be 0, 1, 2"),
        (lambda record: record["model"]["vocab"].update(春眠=len(record["model"]["vocab"])), "春眠"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(tokenizer, tmp_path, change, says):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CheckpointError, match=says) as caught:
        PoetTokenizer.load(tmp_path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing"):
        PoetTokenizer.load(tmp_path)


@pytest.mark.parametrize("characters", ["春春", ["春眠"], [""]])
def test_a_vocabulary_is_of_single_distinct_characters(characters):
    with pytest.raises(InvalidValueError, match="single characters, each only once"):
        PoetTokenizer(characters)


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_an_id_that_is_none_is_an_error(tokenizer, wrong):
    with pytest.raises(InvalidValueError, match=f"id {wrong} is not in a vocabulary of {len(tokenizer)}"):
        tokenizer.decode([5, wrong])


def test_either_script_is_accepted(tokenizer):
    assert tokenizer.normalize("举头望山月,低头思故乡.") == "舉頭望山月，低頭思故鄉。"


def test_an_unknown_character_raises_with_known_suggestions(tokenizer):
    with pytest.raises(UnknownCharacterError, match="龘") as caught:
        tokenizer.check_known("春眠龘")
    assert caught.value.character == "龘"
    assert 1 <= len(caught.value.suggestions) <= 5
    assert all(c in tokenizer for c in caught.value.suggestions)
    tokenizer.check_known(POEMS[0])


def test_variants_are_suggested_first(tokenizer):
    assert tokenizer.suggest("头")[0] == "頭"
    assert len(tokenizer.suggest("😀")) == 5
