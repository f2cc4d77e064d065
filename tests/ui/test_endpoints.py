"""The endpoints: each control has its effect, and every refusal is a sentence in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from poet_model import InvalidValueError
from poet_model.generation.options import GenerationConfig
from poet_model.novelty.index import NoveltyIndex
from poet_model.prosody.scansion import scan
from poet_model.ui.endpoints import Endpoints
from poet_model.ui.opening import FIRST, defaults_of, first_poem
from poet_model.ui.options import ANY_FORM
from poet_model.ui.poem import SIMPLIFIED, TRADITIONAL, Shown, poem_html
from poet_model.ui.poet import Poet

VALUES = {"form": ANY_FORM, "temperature": 1.0, "top_k": 0, "seed": 7, "script": TRADITIONAL}


def written(poet: Poet, **changes) -> tuple:
    """The last update of `write`: vertical HTML, plain text, notice, and the text in its state (or None)."""
    *_, last = Endpoints(poet).write(**{"start": "春", **VALUES, **changes})
    return last.poem, last.plain, last.notice, last.shown.text if isinstance(last.shown, Shown) else None


def characters(html: str) -> str:
    """The text of the poem in the HTML of the page."""
    poem = re.search(r'data-finished="true">(.*?)</div>', html)[1]
    return re.sub("<[^>]+>", "", poem)


def test_an_unknown_character_gets_known_ones_as_advice(poet):
    *_, notice, _ = written(poet, start="𪚥")
    assert "沒學過「𪚥」" in notice and "not among the characters this model knows" in notice
    suggested = re.findall("「(.)」", notice)[1:]
    assert 1 <= len(suggested) <= 5
    assert all(character in poet.model.tokenizer for character in suggested)


@pytest.mark.parametrize("start", ["", "  ", "春", "明月", "　春　", "春眠不覺曉，", "发", "云深不知处"])
def test_good_starts_begin_the_poem(poet, start):
    html, plain, notice, text = written(poet, start=start)
    assert "advice" not in notice
    assert text.startswith(poet.model.tokenizer.normalize(start))
    assert characters(html) == plain.replace("\n", "") == text


def test_simplified_output_is_simplified(poet):
    html, plain, _, text = written(poet, start="雲", script=SIMPLIFIED)
    assert text.startswith("雲") and plain.startswith("云") and 'lang="zh-Hans"' in html


def test_the_other_script_is_the_same_poem(poet):
    *_, text = written(poet)
    html, plain = Endpoints(poet).change_script(Shown(text, 1, 7), SIMPLIFIED)
    back, _ = Endpoints(poet).change_script(Shown(text, 1, 7), TRADITIONAL)
    assert len(characters(html)) == len(text) and plain.replace("\n", "") == characters(html)
    assert characters(back) == text


def test_form_temperature_and_top_k_are_heeded(poet):
    greedy = [written(poet, temperature=0, seed=seed)[3] for seed in (1, 2)]
    assert greedy[0] == greedy[1] == poet.model.generate("春", temperature=0).text
    assert written(poet, top_k=1)[3] == greedy[0]
    assert written(poet, form="七絕")[3] == poet.model.generate("春", form="七絕", seed=7).text


@pytest.mark.parametrize(
    ("wrong", "chinese", "english"),
    [
        ({"start": "春" * 500}, "起首有 500 字，最多 40 字", "The start has 500 characters"),
        ({"start": "hello"}, "起首請用漢字", "Begin with Chinese characters"),
        (
            {"start": "春眠不覺曉，處處聞啼鳥啼", "rules": []},
            "第 12 字（連標點）「啼」不行",
            "at character 12",
        ),
        ({"start": "春春春春春"}, "若不論平仄", "with tones=False"),
        ({"title": "春" * 41}, "題目有 41 字，最多 40 字", "The title has 41 characters"),
        ({"author": "𪚥𪚥"}, "模型沒讀過「𪚥𪚥」的詩", "The model was trained on no poem by"),
        ({"start": "", "acrostic": "春1"}, "「1」不是漢字", "Acrostic must be 2 to 8 hanzi"),
        ({"start": "", "acrostic": "春夏秋冬風"}, "五絕只有 4 句", "A 五絕 has 4 lines"),
        ({"acrostic": "明月"}, "藏頭時起首請留空", "With an acrostic, leave the start empty"),
        ({"original": True}, "這裡沒有全唐詩的索引", "There is no index of"),
        ({"rules": ["parallel"]}, "對仗只用於五律、七律的中間兩聯", "Parallel needs a form with middle"),
        ({"best_of": 99}, "每句選優請取 1 至 16", "'best of lines' must be from 1 to 16"),
    ],
    ids=str,
)
def test_a_refusal_speaks_both_languages(poet, monkeypatch, tmp_path, wrong, chinese, english):
    monkeypatch.setenv("POET_CACHE", str(tmp_path / "none"))
    *_, notice, _ = written(poet, **{"form": "五絕", "rules": ["tones", "rhyme"]} | wrong)
    sentence = unescape(re.sub("<[^>]+>", "", notice))
    assert chinese in sentence and english in sentence
    assert re.search(r"。 [A-Z].*[^.]\.$", sentence)


@pytest.mark.parametrize("emptied", ["temperature", "top_k", "seed"])
def test_an_emptied_number_box_gets_a_sentence(poet, emptied):
    *_, notice, _ = written(poet, **{emptied: None})
    assert "advice" in notice and "must be numbers" in notice


def test_the_first_poem_is_what_the_controls_write(poet):
    first, shown = first_poem(poet)
    html, plain = Endpoints(poet).change_script(shown, TRADITIONAL)
    text = shown.text
    assert first == FIRST | defaults_of(poet)  # no fallback is needed
    assert written(poet, **first)[:2] == (html, plain) and text.startswith("春")
    options = {"form": first["form"], "seed": first["seed"], "rhyme": True, "tones": True}
    options["best_of"] = first["best_of"]
    assert text == poet.model.generate("春", **options).text
    report = scan(text)
    assert report.is_regular and report.faults == ()


def test_a_model_that_cannot_keep_the_rules_opens_with_what_it_can(tiny_model, tmp_path):
    tiny = Poet("tiny", tmp_path, tiny_model)
    first, shown = first_poem(tiny)
    assert first == FIRST | defaults_of(tiny) | {"rules": []}
    assert shown.is_finished and 'data-finished="true"' in poem_html(shown, TRADITIONAL)


def test_a_model_that_writes_no_poem_is_one_sentence(tmp_path):
    class Mute:
        generation_config = GenerationConfig()

        def stream(self, start="", **options):
            raise InvalidValueError(f"nothing begins with {start!r}")

    with pytest.raises(InvalidValueError, match="the page cannot write a poem: nothing begins with ''"):
        first_poem(Poet("mute", tmp_path, Mute()))


def test_rules_and_best_of_are_for_a_form(poet):
    assert written(poet, rules=["rhyme", "tones"], best_of=8)[3] == written(poet)[3]
    text = written(poet, form="五律", rules=["rhyme", "tones"], best_of=2)[3]
    assert text == poet.model.generate("春", form="五律", seed=7, rhyme=True, tones=True, best_of=2).text
    assert scan(text).is_regular
    rhyming = written(poet, form="五律", rules=["rhyme"])[3]
    assert rhyming == poet.model.generate("春", form="五律", seed=7, rhyme=True).text
    assert written(poet, rules=["parallel"])[3] == written(poet)[3]
    parallel = written(poet, form="五律", rules=["parallel"])[3]
    assert parallel == poet.model.generate("春", form="五律", seed=7, parallel=True).text != rhyming


def test_an_acrostic_brings_its_form_and_is_coloured(poet):
    html, _, _, text = written(poet, start="", acrostic=" 云山风月 ", rules=["rhyme"], best_of=2)
    assert [line[0] for line in text.split("，") if line] and scan(text).form == "七絕"
    assert re.findall('<p><span class="given">(.)</span>', html) == list("雲山風月")


def test_a_start_is_coloured_with_the_line_ends_it_lacked(poet):
    html, *_ = written(poet, start="春眠不覺曉處處", form="五絕")
    assert '<span class="given">春眠不覺曉，</span>' in html and '<span class="given">處處</span>' in html


def test_title_and_author_are_heeded(poet):
    known = {"title": "秋思", "author": "李白"}
    assert written(poet, **known)[3] == poet.model.generate("春", seed=7, **known).text != written(poet)[3]


def test_original_lines_and_novelty_where_there_is_an_index(poet):
    taken = poet.model.generate("春", form="五絕", seed=7).text
    poet = replace(poet, index=NoveltyIndex.build([(taken, "夜", "某")]))
    html, *_, text = written(poet, form="五絕")
    assert text == taken and html.count("某《夜》") == 4
    html, *_, text = written(poet, form="五絕", original=True)
    lines = set(taken.replace("，", "。").split("。")) & set(text.replace("，", "。").split("。"))
    assert lines <= {""} and "見於全唐詩" in html
    record = Endpoints(poet).write_poem("春", form="五絕", seed=7)
    assert record["novelty"][0] == {"line": 1, "text": taken[:5], "title": "夜", "author": "某"}
    assert Endpoints(poet).write_poem("春", form="五絕", seed=7, original=True)["text"] == text


def test_without_an_index_there_is_no_novelty(poet):
    assert "全唐詩" not in written(poet, form="五絕")[0]
    assert Endpoints(poet).write_poem("春", seed=7)["novelty"] is None


def test_what_is_kept_is_what_was_given_and_written(poet):
    *steps, last = Endpoints(poet).write(**{**VALUES, "start": "云", "acrostic": "云山风月", "form": "七絕"})
    assert (last.shown.given, last.shown.num_heads, last.shown.seed) == (1, 4, 7)
    assert last.shown.is_finished and last.poem.startswith(poem_html(last.shown, TRADITIONAL))
    assert len(steps) > 4 and not any(isinstance(step.shown, Shown) for step in steps)
