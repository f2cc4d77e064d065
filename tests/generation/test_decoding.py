"""Generation, checked against full forward passes, exact probabilities and a second version of the rules."""

from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import POEMS

from poet_model import (
    CheckpointError,
    GenerationConfig,
    InvalidValueError,
    Poem,
    PoetConfig,
    PoetModel,
    UnknownCharacterError,
)
from poet_model.generation.choosers import BestOfLines, Drawn
from poet_model.generation.filters import MAX_LINE, FrequencyPenalty
from poet_model.generation.masks import VocabularyMasks
from poet_model.generation.options import NEUTRAL
from poet_model.generation.row import Row
from poet_model.generation.sampling import sample
from poet_model.generation.writer import MAX_POEMS
from poet_model.novelty.index import MIN_ORIGINAL, NoveltyIndex
from poet_model.prosody.lines import split_lines
from poet_model.tokenizer import EOS, PoetTokenizer

NO_TOP_K = GenerationConfig(temperature=1.0, **NEUTRAL)


def allowed_next(tokenizer: PoetTokenizer, text: str, max_length: int) -> set[int]:
    """A second version of the rule of whole lines: the ids that may follow `text`."""
    comma, stop = tokenizer.ids["，"], tokenizer.ids["。"]
    characters = set(range(5, len(tokenizer))) - {comma, stop}
    line = split_lines(text)[-1] if text else ""
    if line.endswith("。") and len(text) >= max_length:
        return {EOS}
    if line == "" or line.endswith("，"):
        return characters
    if line.endswith("。"):
        return characters | {EOS}
    if len(line) >= MAX_LINE:
        return {stop}
    return characters | {stop} if len(text) >= max_length else characters | {stop, comma}


def forward(model: PoetModel, header: list[int], text: str) -> torch.Tensor:
    """The logits (1 + len(text), V) after the header and after each character of `text`, by one pass."""
    ids = torch.tensor([header + model.tokenizer.encode_characters(text)])
    with torch.no_grad():
        return model(ids)[0][0, len(header) - 1 :]


def repeats(text, token):
    """How often a token's character occurs in the text, by the definition of frequency_penalty."""
    count = text.count(token) if len(token) == 1 and token not in "，。" else 0
    return 0 if count == 1 and text.endswith(token) else count


@pytest.mark.parametrize("start", ["", "月", "春眠不覺曉，", "白日依山盡。黃"])
@pytest.mark.parametrize("max_length", [3, 24])
@pytest.mark.parametrize("penalty", [0, 1.5])
def test_greedy_is_the_argmax_of_full_forward_passes(tiny_model, start, max_length, penalty):
    max_length = max(max_length, len(start))
    header = tiny_model.tokenizer.encode_header("望月", "李白", "五絕")
    text, token = start, None
    while token != EOS:
        logits = forward(tiny_model, header, text)[-1]
        logits -= penalty * torch.tensor([repeats(text, token) for token in tiny_model.tokenizer.tokens])
        allowed = sorted(allowed_next(tiny_model.tokenizer, text, max_length))
        token = allowed[int(logits[allowed].argmax())]
        text += tiny_model.tokenizer.tokens[token] if token != EOS else ""
    options = {"title": "望月", "author": "李白", "form": "五絕", "max_length": max_length}
    options["frequency_penalty"] = penalty
    options |= {"impose_form": False, "distinct_rhymes": False, "guidance_scale": 1}
    poem = tiny_model.generate(start, temperature=0, **options)
    assert poem.text == text
    assert poem == tiny_model.generate(start, temperature=0, seed=poem.seed, **options)
    assert tiny_model.generate(start, temperature=0, seed=99, **options).text == text


def test_log_probs_are_those_of_a_teacher_forced_forward(tiny_model):
    header = tiny_model.tokenizer.encode_header("望月", "李白", "七絕")
    for poem in tiny_model.generate(
        "春眠", title="望月", author="李白", form="七絕", seed=1, num_poems=7, temperature=3.0, top_p=0.9
    ):
        log_probs = forward(tiny_model, header, poem.text).log_softmax(dim=-1)
        ids = tiny_model.tokenizer.encode_characters(poem.text)
        expected = [log_probs[place, token].item() for place, token in enumerate(ids)]
        assert len(poem.log_probs) == len(poem.text)
        assert poem.log_probs == pytest.approx(expected, abs=1e-4)
        assert poem.mean_log_prob == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_same_seed_same_poem_alone_and_inside_a_batch(tiny_model):
    batch = tiny_model.generate("月", seed=40, num_poems=6, temperature=2.0)
    assert len({poem.text for poem in batch}) == 6
    for index, poem in enumerate(batch):
        alone = tiny_model.generate("月", seed=40 + index, temperature=2.0)
        assert (alone.text, alone.seed) == (poem.text, poem.seed) == (poem.text, 40 + index)
        assert alone.log_probs == pytest.approx(poem.log_probs, abs=1e-4)


def test_no_seed_is_a_new_one_that_writes_the_poem_again(tiny_model):
    first, second = tiny_model.generate(temperature=3.0), tiny_model.generate(temperature=3.0)
    assert first.seed != second.seed
    assert tiny_model.generate(temperature=3.0, seed=first.seed) == first


def test_generating_leaves_the_global_random_state_alone(tiny_model):
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    tiny_model.generate(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("头", "頭"),
        ("头", "头"),
        ("黄鹤楼", "黃鶴樓"),
        ("月,", "月，"),
        (" 月 光 ", "月光"),
        ("，。月", "月"),
    ],
)
def test_starts_in_either_script_and_width(tiny_model, given, start):
    poem = tiny_model.generate(given, seed=2)
    assert poem == tiny_model.generate(start, seed=2)
    assert poem.text.startswith(tiny_model.tokenizer.normalize(start))


def test_repeated_line_ends_of_a_start_make_no_empty_line(tiny_model):
    poem = tiny_model.generate("春眠，，不覺。，，曉。。", seed=2)
    assert poem.text.startswith("春眠，不覺。曉。")


def test_a_simplified_form_is_understood(tiny_model):
    assert tiny_model.generate("月", form="五绝", seed=1) == tiny_model.generate("月", form="五絕", seed=1)
    assert tiny_model.generate("月", form="五绝", seed=1).requested_form == "五絕"


def test_the_header_changes_what_is_written(tiny_model):
    options = ({}, {"form": "五絕"}, {"author": "李白"}, {"title": "月"})
    log_probs = [tiny_model.generate("月", seed=1, **option).log_probs[0] for option in options]
    assert len(set(log_probs)) == 4


@pytest.mark.parametrize("start", ["", "月光"])
def test_stream_pieces_are_the_poem(tiny_model, start):
    poem = tiny_model.generate(start, seed=8, author="李白")
    stream = tiny_model.stream(start, seed=8, author="李白")
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            returned = end.value
            break
    assert "".join(pieces) == poem.text
    assert isinstance(returned, Poem)
    assert returned == poem
    first, *others = pieces
    assert first == start or (not start and len(first) == 1)
    assert all(len(piece) == 1 for piece in others)


def test_stream_checks_its_arguments_before_the_first_piece(tiny_model):
    with pytest.raises(UnknownCharacterError):
        tiny_model.stream("龘")


@pytest.mark.parametrize("max_length", [1, 5, 13, 40])
def test_whatever_the_model_whole_lines_come_out(tiny_model, max_length):
    poems = tiny_model.generate(num_poems=50, temperature=20.0, top_k=0, max_length=max_length, seed=100)
    known = set(tiny_model.tokenizer.characters)
    for poem in poems:
        assert poem.text.endswith("。")
        assert set(poem.text) <= known
        assert all(1 <= len(line.rstrip("，。")) <= MAX_LINE for line in poem.lines)
        assert "".join(poem.lines) == poem.text
        assert all(line[-1] in "，。" for line in poem.lines)
        body, last = "".join(poem.lines[:-1]), poem.lines[-1]
        assert len(body) < max_length or not body.endswith("。")  # it ends with its current line
        assert len(body) < max_length + MAX_LINE
        assert last.endswith("。")
        assert np.isfinite(poem.log_probs).all()
    assert len({poem.text for poem in poems}) > 10


def test_every_character_written_is_one_that_may_stand_there(tiny_model):
    for poem in tiny_model.generate(num_poems=20, temperature=20.0, top_k=0, max_length=12, seed=3):
        for place, character in enumerate(poem.text):
            allowed = allowed_next(tiny_model.tokenizer, poem.text[:place], 12)
            assert tiny_model.tokenizer.ids[character] in allowed
        assert EOS in allowed_next(tiny_model.tokenizer, poem.text, 12)


def test_a_vocabulary_without_line_ends_is_an_error_not_an_endless_poem():
    tokenizer = PoetTokenizer("春風月")
    model = PoetModel(PoetConfig(vocab_size=len(tokenizer), hidden_size=8), tokenizer)
    with pytest.raises(InvalidValueError, match="no ， and no 。"):
        model.generate("春")


def frequencies(logits: list[float], config: GenerationConfig, draws: int = 30_000) -> np.ndarray:
    uniforms = np.random.default_rng(0).random(draws)
    ids = sample(np.tile(np.array(logits, np.float32), (draws, 1)), uniforms, config)
    return np.bincount(ids, minlength=len(logits))


def assert_drawn_from(counts: np.ndarray, probabilities: np.ndarray) -> None:
    """Asserts that samples fit the probabilities, by a chi-square test at a level of about 1 in 100,000."""
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * counts.sum()
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum()
    degrees = possible.sum() - 1
    assert chi_square < degrees + 6 * np.sqrt(2 * degrees) + 6


LOGITS = np.random.default_rng(7).normal(0, 1.5, 12)
DESCENDING = np.argsort(-LOGITS)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [0, 1, 2, 5, 12, 500])
def test_frequencies_agree_with_the_exact_probabilities(temperature, top_k):
    expected = np.exp(LOGITS / temperature)
    if top_k:
        expected[DESCENDING[top_k:]] = 0
    expected /= expected.sum()
    config = replace(NO_TOP_K, temperature=temperature, top_k=top_k)
    assert_drawn_from(frequencies(LOGITS.tolist(), config), expected)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.999, 4), (1.0, 4)]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, kept):
    probabilities = np.array([0.05, 0.5, 0.15, 0.3])
    expected = probabilities.copy()
    expected[np.argsort(-probabilities)[kept:]] = 0
    counts = frequencies(np.log(probabilities).tolist(), GenerationConfig(1.0, 0, top_p))
    assert_drawn_from(counts, expected / expected.sum())


def test_top_p_acts_after_top_k():
    # top-k leaves .5 and .3, of which the first has 62 % of the sum, enough for top-p by itself
    counts = frequencies(np.log([0.3, 0.5, 0.2]).tolist(), GenerationConfig(1.0, 2, 0.6))
    assert counts.tolist() == [0, 30_000, 0]


def test_the_draw_is_the_inverse_of_the_cumulative_probabilities():
    with np.errstate(divide="ignore"):
        logits = np.log(np.tile(np.array([0.25, 0.5, 0.0, 0.25], np.float32), (6, 1)))
    uniforms = np.array([0.0, 0.2499, 0.2501, 0.7499, 0.7501, np.nextafter(1, 0)])
    assert sample(logits, uniforms, NO_TOP_K).tolist() == [0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-3])
def test_towards_temperature_zero_the_likeliest_is_taken(temperature):
    counts = frequencies(LOGITS.tolist(), replace(NO_TOP_K, temperature=temperature), draws=100)
    assert counts[LOGITS.argmax()] == 100


def test_barred_characters_are_never_drawn():
    logits = [1.0, -np.inf, 2.0, -np.inf]
    for config in (NO_TOP_K, GenerationConfig(temperature=100.0, top_k=4), GenerationConfig(0)):
        assert frequencies(logits, config)[[1, 3]].sum() == 0


@pytest.mark.parametrize(
    "option",
    [
        {"temperature": -0.1}, {"temperature": 101}, {"temperature": float("nan")}, {"temperature": "hot"},
        {"temperature": True}, {"top_k": -1}, {"top_k": 2.5}, {"top_k": "many"}, {"top_p": 0}, {"top_p": 1.1},
        {"top_p": float("nan")}, {"max_length": 0}, {"max_length": 5000}, {"max_length": 7.0}, {"seed": -1},
        {"seed": 1.5}, {"seed": True}, {"seed": "7"}, {"seed": 2**63}, {"num_poems": 0}, {"num_poems": True},
        {"num_poems": MAX_POEMS + 1}, {"num_poems": 2.0}, {"form": "五言"}, {"form": 5}, {"author": None},
        {"author": "白" * 41}, {"title": "月" * 41}, {"title": ["月"]}, {"start": 7}, {"start": "月" * 129},
        {"start": "月" * 100_000}, {"start": "月" * 6, "max_length": 5}, {"rhythm": True},
        {"form": "月" * 999}, {"min_p": -0.1}, {"min_p": 1.1}, {"min_p": "all"}, {"typical_p": 0},
        {"typical_p": 1.5}, {"mmi_lambda": -0.1}, {"mmi_lambda": 1.5}, {"distinct_rhymes": 1},
    ],
    ids=lambda option: str(option)[:40],
)  # fmt: skip
def test_impossible_options(tiny_model, option):
    name = next(iter(option))
    with pytest.raises(InvalidValueError, match=name) as caught:
        tiny_model.generate(**option)
    assert 20 < len(str(caught.value)) < 400
    if name != "num_poems":
        with pytest.raises(InvalidValueError, match=name):
            tiny_model.stream(**option)


@pytest.mark.parametrize("character", ["龘", "A", "😀", "1", "鬱", "~", "<"])
def test_an_unknown_character_comes_with_advice(tiny_model, character):
    with pytest.raises(UnknownCharacterError) as caught:
        tiny_model.generate("月" + character + "光")
    error = caught.value
    assert error.character == character
    assert 1 <= len(error.suggestions) <= 5
    assert len(set(error.suggestions)) == len(error.suggestions)
    assert all(suggestion in tiny_model.tokenizer for suggestion in error.suggestions)
    assert all(part in str(error) for part in (character, *error.suggestions))
    assert all(f"「{part}」" in error.chinese for part in (character, *error.suggestions))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.chinese, again.character) == (str(error), error.chinese, character)
    for suggestion in error.suggestions:
        assert tiny_model.generate(suggestion, seed=1, max_length=5).text.startswith(suggestion)


def test_special_tokens_written_out_are_no_special_tokens(tiny_model):
    with pytest.raises(UnknownCharacterError):
        tiny_model.generate("<eos>")
    with pytest.raises(UnknownCharacterError):
        tiny_model.generate("月", title="<sep>")
    assert tiny_model.generate("月", title="《春 眠》", seed=0).title == "春眠"
    header = tiny_model.tokenizer.encode_header("<sep><eos>")
    assert header.count(EOS) == 0


def test_a_character_loses_the_penalty_for_each_time_the_poem_has_it(tokenizer):
    logits = np.zeros((3, len(tokenizer)), np.float32)
    rows = [Row.begin(None, text) for text in ("", "春春眠，春月", "眠月，月月")]
    FrequencyPenalty(VocabularyMasks(tokenizer), 0.5)(logits, rows)
    expected = np.zeros_like(logits)
    for row, character, count in ((1, "春", 3), (1, "眠", 1), (2, "月", 3), (2, "眠", 1)):
        expected[row, tokenizer.ids[character]] = -0.5 * count
    assert np.array_equal(logits, expected)  # the last 月 of the second poem may be doubled


def test_the_penalty_leaves_fewer_repeats(tiny_model):
    def repeated(penalty):
        poems = tiny_model.generate(num_poems=50, seed=0, frequency_penalty=penalty)
        return sum(len(poem.text) - len(set(poem.text)) for poem in poems)

    assert repeated(3) < 0.7 * repeated(0)


def test_where_everything_is_barred_it_says_so():
    row = np.full((2, 5), -np.inf, np.float32)
    row[0] = 0
    for config in (NO_TOP_K, GenerationConfig(0), GenerationConfig(top_k=2)):
        with pytest.raises(InvalidValueError, match="allow no next character; use another seed"):
            sample(row, np.array([0.1, 0.2]), config)


# Candidates for a line


def test_one_candidate_is_no_candidate(tiny_model):
    options = {"form": "五絕", "seed": 3}
    assert tiny_model.generate(best_of=1, **options) == tiny_model.generate(**options)
    greedy = tiny_model.generate(best_of=8, temperature=0, **options)
    assert greedy == tiny_model.generate(temperature=0, **options)


def test_of_the_candidates_the_likelier_are_taken(tiny_model):
    def mean(best_of):
        options = {"form": "七絕", "best_of": best_of, "frequency_penalty": 0, "mmi_lambda": 0}
        poems = tiny_model.generate(num_poems=40, seed=0, **options)
        return np.mean([poem.log_probs for poem in poems])

    one, four, sixteen = map(mean, (1, 4, 16))
    assert one + 0.02 < four < sixteen - 0.02


def test_with_candidates_a_poem_is_the_same_alone_in_a_batch_and_streamed(tiny_model):
    options = {"form": "五律", "best_of": 5, "title": "望月", "temperature": 1.2}
    poems = tiny_model.generate("春眠", num_poems=4, seed=7, **options)
    header = tiny_model.tokenizer.encode_header("望月", "", "五律")
    for number, poem in enumerate(poems):
        assert poem.text == tiny_model.generate("春眠", seed=7 + number, **options).text
        pieces = list(tiny_model.stream("春眠", seed=7 + number, **options))
        assert "".join(pieces) == poem.text
        log_probs = forward(tiny_model, header, poem.text).log_softmax(dim=-1)
        for place, character in enumerate(poem.text):
            expected = log_probs[place, tiny_model.tokenizer.ids[character]].item()
            assert poem.log_probs[place] == pytest.approx(expected, abs=1e-4)
    assert len({poem.text for poem in poems}) == 4


def test_lines_are_drawn_by_their_probability():
    fits = np.log(np.tile(np.array([0.1, 0.6, 0.3], np.float32), 4000))
    rngs = [np.random.default_rng(seed) for seed in range(4000)]
    chooser = BestOfLines(rngs, 3, GenerationConfig(temperature=1.0, top_k=1))
    form = SimpleNamespace(length=0)  # the line is complete
    rows = [Row(poem, form=form) for poem in range(4000) for _ in range(3)]
    characters = [str(number) for number in range(12_000)]
    news, kept = chooser.commit(rows, Drawn(np.full(12_000, 9), characters, fits, fits))
    drawn = np.array(kept[::3])
    assert [new.character for new in news] == [characters[i] for i in drawn]
    assert kept == [i for i in drawn for _ in range(3)]
    assert np.array_equal(drawn // 3, np.arange(4000))  # each poem gets one of its own rows
    shares = np.bincount(drawn % 3) / 4000
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=0.03)


# Original lines


@pytest.fixture
def known(tiny_model):
    """An index of poems that the model itself has written."""
    poems = [
        *tiny_model.generate(num_poems=20, seed=0),
        *tiny_model.generate(form="五絕", num_poems=20, seed=0),
    ]
    return NoveltyIndex.build((poem.text, "望月", "李白") for poem in poems)


def stolen(index, text):
    return [match.text for match in index.find(text) if match.is_whole and len(match.text) >= MIN_ORIGINAL]


@pytest.mark.parametrize(
    "options", [{}, {"form": "五絕"}, {"form": "五絕", "best_of": 3}, {"temperature": 0}]
)
def test_no_line_of_an_original_poem_stands_in_the_index(tiny_model, known, options):
    options |= {"num_poems": 20, "seed": 0}
    if "temperature" not in options and "best_of" not in options:
        assert all(stolen(known, poem.text) for poem in tiny_model.generate(**options) if len(poem.text) > 12)
    for poem in tiny_model.generate(original=known, **options):
        assert not stolen(known, poem.text)


def test_an_original_poem_cannot_begin_with_anothers_line(tiny_model):
    index = NoveltyIndex.build([("春眠不覺曉，處處聞啼鳥。", "春曉", "孟浩然")])
    for options in ({"start": "春眠不覺曉，"}, {"start": "春眠不覺曉", "form": "五絕"}):
        with pytest.raises(
            InvalidValueError, match="occurs in 孟浩然《春曉》; start with at most '春眠不覺', or leave"
        ):
            tiny_model.generate(original=index, **options)
    for seed in range(20):  # the start gives a known line, so the line must continue
        assert not stolen(index, tiny_model.generate("春眠不覺曉", original=index, seed=seed).text)
        assert not stolen(index, tiny_model.generate("春眠不覺", form="五絕", original=index, seed=seed).text)


def test_another_way_to_write_a_character_does_not_make_a_line_original(tiny_model):
    index = NoveltyIndex.build([("春眠不覺曉，處處聞啼鳥。", "春曉", "孟浩然")])
    with pytest.raises(InvalidValueError, match="occurs in 孟浩然"):
        tiny_model.generate("处处闻啼鸟，", original=index)
    simplified = NoveltyIndex.build([("春眠不觉晓，处处闻啼鸟。", "春晓", "孟浩然")])
    for poem in tiny_model.generate("春眠不覺", form="五絕", original=simplified, num_poems=20, seed=0):
        assert not poem.text.startswith("春眠不覺曉")


def test_without_an_index_it_says_how_to_make_one(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"python -m poet_model.novelty build"):
        tiny_model.generate(original=True)
    NoveltyIndex.build([("春眠不覺曉，處處聞啼鳥。", "春曉", "孟浩然")]).save(tmp_path / "novelty")
    assert tiny_model.generate(original=True, seed=0).text


# Authors


def test_an_author_nobody_knows_is_answered_with_those_it_knows(tiny_model, tokenizer, tmp_path):
    assert (
        tiny_model.generate(author="月", seed=0).author == "月"
    )  # a model without a list of authors accepts any known characters
    tiny_model.tokenizer.authors = ("白居易", "李白", "孟浩然")
    tiny_model.save_pretrained(tmp_path / "model")
    model = PoetModel.from_pretrained(tmp_path / "model")
    assert model.generate(author="李白", seed=0).author == "李白"
    with pytest.raises(
        InvalidValueError, match=r"no poem by '李太白'; it knows 3 authors, such as 李白 白居易 孟浩然"
    ):
        model.generate(author="李太白")
    with pytest.raises(
        InvalidValueError, match=r"no poem by 'Li Bai'; .*, written in Chinese, or"
    ):  # as it was given
        model.generate(author=" Li Bai\n")


def test_settings_of_the_model_are_the_defaults(tiny_model):
    tiny_model.generation_config = GenerationConfig(temperature=0, max_length=5)
    assert tiny_model.generate("月", seed=1) == tiny_model.generate("月", seed=1, temperature=0, max_length=5)
    assert tiny_model.generate("月", seed=1, temperature=None) == tiny_model.generate("月", seed=1)


def test_config_is_saved_and_read_back(tmp_path):
    config = GenerationConfig(0.5, 7, 0.9, 60, min_p=0.05, typical_p=0.9, mmi_lambda=0.5)
    config.save(tmp_path)
    assert GenerationConfig.load(tmp_path) == config
    assert GenerationConfig.load(tmp_path / "nowhere") == GenerationConfig()


def test_poem_knows_its_lines_and_form():
    poem = Poem(POEMS[1], (0.0,) * len(POEMS[1]), seed=1)
    assert poem.lines == ["春眠不覺曉，", "處處聞啼鳥。", "夜來風雨聲，", "花落知多少。"]
    assert poem.form == "五絕"
    assert poem.simplified == "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
    assert str(poem) == "春眠不覺曉，處處聞啼鳥。\n夜來風雨聲，花落知多少。"
