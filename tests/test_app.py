"""The page's functions and its two public endpoints, over a real server and the real client."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import httpx2 as http
import pandas as pd
import pytest
from conftest import ROOT

import app
from poet_model.novelty.index import NoveltyIndex
from poet_model.prosody.scansion import scan
from poet_model.ui import controls, curves
from poet_model.ui.poem import SIMPLIFIED, notice_html, poem_html
from poet_model.ui.wishes import wishes_of

WISHES = {"form": app.ANY_FORM, "temperature": 0.8, "top_k": 40, "seed": 7, "script": app.TRADITIONAL}
BAD_STARTS = {
    "emoji": "🏮",
    "latin": "abc",
    "pasted": "春" * 500,
    "unknown": "𪚥",
    "markup": "<img src=x onerror=alert(1)>",
    "half unknown": "春𪚥",
    "control": "\x00\x1b",
}


@pytest.fixture(scope="module")
def url():
    _, local, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, run_history=False)
    yield local
    app.demo.close()


@pytest.fixture(scope="module")
def client(url):
    from gradio_client import Client

    return Client(url, verbose=False)


def written(**changes) -> tuple:
    """What `write` shows at the end: vertical, as text, the notice, and the text that it keeps."""
    *_, (html, plain, notice, shown) = app.write(**{"start": "春", **WISHES, **changes})
    return html, plain, notice, shown[0] if isinstance(shown, tuple) else shown


def characters(html: str) -> str:
    """The text of the poem in some HTML."""
    poem = re.search(r'data-finished="true">(.*?)</div>', html)[1]
    return re.sub("<[^>]+>", "", poem)


def test_only_the_two_endpoints_are_public(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/generate", "/write_poem"}


def test_write_poem_is_the_models_poem(client):
    found = client.predict(start="春", seed=3, temperature=0.7, top_k=20, form="五絕", api_name="/write_poem")
    poem = app.model.generate("春", seed=3, temperature=0.7, top_k=20, form="五絕")
    assert found["text"] == poem.text and found["lines"] == poem.lines and found["seed"] == 3
    assert found["log_probs"] == pytest.approx(poem.log_probs, abs=1e-4)
    assert len(found["log_probs"]) == len(found["text"])


def test_write_poem_draws_a_seed_that_writes_the_poem_again(client):
    first = client.predict(api_name="/write_poem")
    again = client.predict(seed=first["seed"], api_name="/write_poem")
    assert first["text"] == again["text"]


@pytest.mark.parametrize("wish", [{"start": "𪚥"}, {"form": "六絕"}, {"temperature": -1}, {"top_k": -3}])
def test_write_poem_says_what_is_wrong(client, wish):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as caught:
        client.predict(**wish, api_name="/write_poem")
    assert len(str(caught.value)) > 15 and "Traceback" not in str(caught.value)


def test_generate_streams_growing_prefixes_of_the_poem(client):
    job = client.submit("春", app.ANY_FORM, 0.8, 40, 7, app.TRADITIONAL, api_name="/generate")
    final = job.result()
    texts = [
        re.sub("<[^>]+>", "", re.search(r'data-finished="\w+">(.*?)</div>', step[0])[1])
        for step in job.outputs()
    ]
    assert len(texts) > 4
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(texts))
    assert characters(final[0]) == app.model.generate("春", seed=7).text
    assert final[1].replace("\n", "") == characters(final[0])


@pytest.mark.parametrize("start", BAD_STARTS.values(), ids=BAD_STARTS)
def test_bad_starts_get_a_sentence_and_the_poem_stays(client, start):
    *_, (html, plain, notice) = [client.predict(start, *list(WISHES.values()), api_name="/generate")]
    assert 'class="notice advice"' in notice
    sentence = re.sub("<[^>]+>", "", notice)
    assert len(sentence) > 20 and "Error" not in sentence and "<img" not in notice
    assert "data-finished" not in str(html) and "。" not in str(
        plain
    )  # nothing sent: the page keeps its poem


def test_an_unknown_character_gets_known_ones_as_advice():
    *_, notice, _ = written(start="𪚥")
    assert "沒學過「𪚥」" in notice and "not among the characters this model knows" in notice
    suggested = re.findall("「(.)」", notice)[1:]
    assert 1 <= len(suggested) <= 5
    assert all(character in app.model.tokenizer for character in suggested)


@pytest.mark.parametrize("start", ["", "  ", "春", "明月", "　春　", "春眠不覺曉，", "发", "云深不知处"])
def test_good_starts_begin_the_poem(start):
    html, plain, notice, text = written(start=start)
    assert "advice" not in notice
    assert text.startswith(app.model.tokenizer.normalize(start))
    assert characters(html) == plain.replace("\n", "") == text


def test_simplified_output_is_simplified():
    html, plain, _, text = written(start="雲", script=SIMPLIFIED)
    assert text.startswith("雲") and plain.startswith("云") and 'lang="zh-Hans"' in html


def test_the_other_script_is_the_same_poem():
    *_, text = written()
    html, plain = app.change_script((text, 1, 7, 0), SIMPLIFIED)
    back, _ = app.change_script((text, 1, 7, 0), app.TRADITIONAL)
    assert len(characters(html)) == len(text) and plain.replace("\n", "") == characters(html)
    assert characters(back) == text


def test_form_temperature_and_top_k_are_heeded():
    greedy = [written(temperature=0, seed=seed)[3] for seed in (1, 2)]
    assert greedy[0] == greedy[1] == app.model.generate("春", temperature=0).text
    assert written(top_k=1)[3] == greedy[0]
    assert written(form="七絕")[3] == app.model.generate("春", form="七絕", seed=7).text


def over_raw_http(url: str, data: list) -> str:
    """The events that /generate answers to a bare list of values, NaN included."""
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"data": data})
    started = http.post(f"{url}gradio_api/call/generate", content=body, headers=headers)
    return http.get(f"{url}gradio_api/call/generate/{started.json()['event_id']}", timeout=60).text


RAW = {"start": "春", "form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 7, "script": app.TRADITIONAL}
RAW |= {"title": "", "author": "", "rules": ["rhyme"], "acrostic": "", "best_of": 2}
BAD_VALUES = {
    "not a number": ({"temperature": math.nan}, "must be numbers"),
    "null numbers": ({"top_k": None, "best_of": None}, "must be numbers"),
    "a number in words": ({"best_of": "8"}, "must be numbers"),
    "no end": ({"best_of": math.inf}, "must be numbers"),
    "a form that is none": ({"form": "六絕"}, "Form must be one of"),
    "a number for a text": ({"title": 7}, "Every box takes text"),
    "rules that are none": ({"rules": ["sonnet"]}, "Rules are"),
    "rules in words": ({"rules": "rhyme"}, "Rules are"),
    "many candidates": ({"best_of": 400}, "from 1 to 16"),
    "too hot": ({"temperature": 1e9}, "Temperature must be"),
    "an unknown author": ({"author": "𪚥𪚥"}, "take one of them, or none"),
    "nine heads": ({"start": "", "acrostic": "春夏秋冬風花雪月明"}, "2 to 8"),
    "heads of emoji": ({"start": "", "acrostic": "🏮🏮"}, "2 to 8"),
    "another head": ({"acrostic": "明月"}, "leave the start empty"),
    "a title of emoji": ({"title": "🏮"}, "not among the characters"),
    "a long title": ({"title": "春" * 400}, "400 characters"),
    "a very long title": ({"title": "春" * 4000}, "2000 characters at most"),
}


@pytest.mark.parametrize(
    ("wrong", "chinese", "english"),
    [
        ({"start": "春" * 500}, "起首有 500 字，最多 40 字", "The start has 500 characters"),
        ({"start": "hello"}, "起首請用漢字", "Begin with Chinese characters"),
        (
            {"start": "春眠不覺曉，處處聞啼鳥啼", "rules": []},
            "第 12 字（連標點）「啼」不行",
            "at its character 12",
        ),
        ({"start": "春春春春春"}, "若不論平仄", "with tones=False"),
        ({"title": "春" * 41}, "題目有 41 字，最多 40 字", "The title has 41 characters"),
        ({"author": "𪚥𪚥"}, "模型沒讀過「𪚥𪚥」的詩", "The model has read no poem by"),
        ({"start": "", "acrostic": "春1"}, "「1」不是漢字", "Acrostic must be 2 to 8 hanzi"),
        ({"start": "", "acrostic": "春夏秋冬風"}, "五絕只有 4 句", "A 五絕 has 4 lines"),
        ({"acrostic": "明月"}, "藏頭時起首請留空", "With an acrostic leave the start empty"),
        ({"original": True}, "這裡沒有全唐詩的索引", "There is no index in"),
        ({"best_of": 99}, "每句選優請取 1 至 16", "Best of lines goes from 1 to 16"),
    ],
    ids=str,
)
def test_a_refusal_speaks_both_languages(monkeypatch, tmp_path, wrong, chinese, english):
    monkeypatch.setattr(app, "known_lines", None)
    monkeypatch.setattr("poet_model.generation.request.default_folder", lambda: tmp_path / "none")
    *_, notice, _ = written(**{"form": "五絕", "rules": ["tones", "rhyme"]} | wrong)
    sentence = unescape(re.sub("<[^>]+>", "", notice))
    assert chinese in sentence and english in sentence
    assert re.search(r"。 [A-Z].*[^.]\.$", sentence)


@pytest.mark.parametrize(("wrong", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_get_a_sentence_over_raw_http(url, wrong, sentence):
    events = over_raw_http(url, list((RAW | wrong).values()))
    assert "event: error" not in events and "event: complete" in events
    assert "advice" in events and sentence in events and "data-finished" not in events


def test_null_texts_and_rules_are_none(url):
    events = over_raw_http(
        url, list((RAW | dict.fromkeys(["title", "author", "rules", "acrostic"])).values())
    )
    poem = app.model.generate("春", form="五絕", seed=7, best_of=2)
    assert "event: complete" in events and json.dumps(poem.lines[-1])[1:-1] in events


def test_a_request_for_fewer_controls_has_their_first_values(url):
    """A program written when there were six of them."""
    events = over_raw_http(url, list(RAW.values())[:6])
    poem = app.model.generate("春", form="五絕", seed=7, rhyme=True, tones=True, best_of=app.FIRST["best_of"])
    assert "event: complete" in events and json.dumps(poem.lines[-1])[1:-1] in events


@pytest.mark.parametrize("emptied", ["temperature", "top_k", "seed"])
def test_an_emptied_number_box_gets_a_sentence(emptied):
    *_, notice, _ = written(**{emptied: None})
    assert "advice" in notice and "must be numbers" in notice


def test_the_first_poem_is_what_the_controls_write():
    first, (html, plain, _, (text, *_)) = app.first_poem()
    assert first == app.FIRST  # nothing had to be left out
    assert written(**first)[:2] == (html, plain) and text.startswith("春")
    wishes = {"form": first["form"], "seed": first["seed"], "rhyme": True, "tones": True}
    assert (
        text == app.model.generate("春", **wishes, best_of=first["best_of"], temperature=0.8, top_k=40).text
    )
    report = scan(text)
    assert report.is_regular and report.faults == ()


def test_a_model_that_cannot_keep_the_rules_opens_with_what_it_can(tiny_model, monkeypatch):
    monkeypatch.setattr(app, "model", tiny_model)
    first, (html, *_) = app.first_poem()
    assert first == app.FIRST | {"rules": []} and 'data-finished="true"' in html


def test_rules_and_best_of_are_for_a_form():
    assert written(rules=["rhyme", "tones"], best_of=8)[3] == written()[3]
    text = written(form="五律", rules=["rhyme", "tones"], best_of=2)[3]
    assert text == app.model.generate("春", form="五律", seed=7, rhyme=True, tones=True, best_of=2).text
    assert scan(text).is_regular
    rhyming = written(form="五律", rules=["rhyme"])[3]
    assert rhyming == app.model.generate("春", form="五律", seed=7, rhyme=True).text


def test_an_acrostic_brings_its_form_and_is_coloured():
    html, _, _, text = written(start="", acrostic=" 云山风月 ", rules=["rhyme"], best_of=2)
    assert [line[0] for line in text.split("，") if line] and scan(text).form == "七絕"
    assert re.findall('<p><span class="given">(.)</span>', html) == list("雲山風月")


def test_a_start_is_coloured_with_the_line_ends_it_lacked():
    html, *_ = written(start="春眠不覺曉處處", form="五絕")
    assert '<span class="given">春眠不覺曉，</span>' in html and '<span class="given">處處</span>' in html


def test_title_and_author_are_heeded():
    known = {"title": "秋思", "author": "李白"}
    assert written(**known)[3] == app.model.generate("春", seed=7, **known).text != written()[3]


def test_original_lines_and_novelty_where_there_is_an_index(monkeypatch):
    taken = app.model.generate("春", form="五絕", seed=7).text
    monkeypatch.setattr(app, "known_lines", NoveltyIndex.build([(taken, "夜", "某")]))
    html, *_, text = written(form="五絕")
    assert text == taken and html.count("某《夜》") == 4
    html, *_, text = written(form="五絕", original=True)
    lines = set(taken.replace("，", "。").split("。")) & set(text.replace("，", "。").split("。"))
    assert lines <= {""} and "見於全唐詩" in html
    found = app.write_poem("春", form="五絕", seed=7)
    assert found["novelty"][0] == {"line": 1, "text": taken[:5], "title": "夜", "author": "某"}
    assert app.write_poem("春", form="五絕", seed=7, original=True)["text"] == text


def test_without_an_index_there_is_no_novelty(monkeypatch):
    monkeypatch.setattr(app, "known_lines", None)
    assert "全唐詩" not in written(form="五絕")[0]
    assert app.write_poem("春", seed=7)["novelty"] is None


@pytest.mark.parametrize("damage", [False, True])
def test_the_page_opens_without_an_index(damage, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    if damage:
        (tmp_path / "novelty").mkdir()
        (tmp_path / "novelty" / "poems.json").write_text("[]", encoding="utf-8")
    assert app.open_index() is None
    assert ("does not look poems up" in capsys.readouterr().err) is damage


def test_the_index_is_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    NoveltyIndex.build([("春眠不覺曉。", "春曉", "孟浩然")]).save(tmp_path / "novelty")
    assert app.open_index().find("春眠不覺曉。")[0].title == "春曉"


def test_write_poem_reports_on_its_poem(client):
    wishes = {"form": "五絕", "rhyme": "東", "tones": "L2", "telestich": "", "best_of": 2}
    found = client.predict(start="春", seed=3, **wishes, api_name="/write_poem")
    report = found["report"]
    assert report["form"] == "五絕" and report["level"] in ("L0", "L1", "L2") and report["template"][0] == "T"
    assert report["rhyme"]["groups"] == ["東"] and len(report["tones"]) == len(found["text"])
    tails = client.predict(telestich="山月", seed=1, form="五絕", api_name="/write_poem")["lines"]
    assert [line[-2] for line in tails[:2]] == ["山", "月"]


def test_the_last_parameters_are_the_new_ones(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {name: [p["parameter_name"] for p in named[name]["parameters"]] for name in named}
    old = ["start", "form", "temperature", "top_k", "seed"]
    new = ["title", "author", "rules", "acrostic", "best_of"]
    has_index = ["original"] if app.known_lines else []
    assert names["/generate"] == [*old, "script", *new, *has_index]
    new = ["rhyme", "tones", "acrostic", "best_of", "telestich", "original"]
    assert names["/write_poem"] == [*old, "author", "title", *new]
    assert all(p["parameter_has_default"] for name in named for p in named[name]["parameters"])


def test_authors_that_the_model_knows_can_be_chosen():
    import gradio as gr

    with gr.Blocks():
        box = controls.settings(app.FIRST, [f"李{i}" for i in range(99)], False)["author"]
        assert isinstance(box, gr.Dropdown) and box.allow_custom_value and box.value == ""
        assert [value for _, value in box.choices][:2] == ["", "李0"]
        assert len(box.choices) == controls.NUM_AUTHORS + 1
        assert isinstance(controls.settings(app.FIRST, (), False)["author"], gr.Textbox)


def test_numbers_between_are_rounded_and_seeds_kept_in_bounds():
    wishes = wishes_of("春", "五絕", 0.8, 3.7, -5, best_of=2.2)
    assert (wishes["top_k"], wishes["seed"], wishes["best_of"]) == (4, 0, 2)
    assert wishes_of("春", "", 1, 5, 10**400)["seed"] == app.controls.MAX_SEED


def test_every_character_of_html_is_escaped():
    html = poem_html('<script>"&', 2, 1, app.TRADITIONAL)
    assert "<script>" not in html and "&lt;" in html and "&amp;" in html
    assert "<img" not in notice_html("<img onerror=x>")


def test_the_start_is_coloured_across_lines():
    html = poem_html("春風，明月。", 4, 1, app.TRADITIONAL)
    assert html.count('class="given"') == 2
    assert '<span class="given">春風，</span>' in html and '<span class="given">明</span>月。' in html


def log_folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "training_log.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_log_is_read_and_broken_lines_left_out(tmp_path):
    lines = [
        '{"step": 1, "epoch": 0.1, "split": "train", "loss": 6.0}',
        '{"step": 2, "epoch": 0.2, "split": "train", "loss": NaN}',
        '{"step": 3, "epoch": 0.3, "split": "train"}',
        "{broken",
        '{"step": 4, "epoch": 0.4, "split": "valid", "loss": 5.0}',
    ]
    log = curves.log_table(log_folder(tmp_path, "\n".join(lines)))
    assert list(log["step"]) == [1, 4]


def test_the_curves_begin_with_the_training_it_went_on_from(tmp_path):
    own = [
        '{"step": 5, "epoch": 0.5, "split": "valid", "loss": 4.9}',
        '{"step": "6", "split": "valid", "loss": 4}',
    ]
    earlier = ['{"step": 20, "epoch": 2.0, "split": "valid", "loss": 5.0}', '{"step": 21, "epoch": 2.25}']
    (tmp_path / "earlier_log.jsonl").write_text("\n".join(earlier), encoding="utf-8")
    log = curves.log_table(log_folder(tmp_path, "\n".join(own)))
    assert list(log["step"]) == [20, 26] and list(log["epoch"]) == [2.0, 2.75]
    assert "(epoch 2.8)" in curves.summary(log)


def test_curves_keep_the_validation_and_thin_the_training(tmp_path):
    records = [{"step": s, "epoch": s / 100, "split": "train", "loss": 5 - s / 1000} for s in range(1, 1001)]
    records += [
        {"step": s, "epoch": s / 100, "split": "valid", "loss": 5.5 - s / 1000} for s in (300, 600, 900)
    ]
    log = curves.log_table(log_folder(tmp_path, "\n".join(map(json.dumps, records))))
    shown = curves.curve(log, curves.LOSS)
    train, valid = (shown[shown["split"] == split] for split in (curves.TRAIN, curves.VALID))
    assert len(valid) == 3 and 100 < len(train) <= curves.MAX_POINTS
    assert train["value"].iloc[-1] == pytest.approx(4.0, abs=0.01)
    perplexity = curves.curve(log, curves.PERPLEXITY)
    assert perplexity["value"].max() == pytest.approx(2.718281828 ** shown["loss"].max(), rel=1e-3)
    assert "perplexity fell from 181 to 99.5" in curves.summary(log)


def test_a_short_training_is_drawn_whole():
    log = pd.DataFrame(
        [(0.1, 25, curves.TRAIN, 7.5), (0.3, 75, curves.TRAIN, 6.4), (0.3, 75, curves.VALID, 6.5)],
        columns=["epoch", "step", "split", "loss"],
    )
    assert curves.curve(log, curves.LOSS)["value"].tolist() == [7.5, 6.4, 6.5]
    assert "perplexity is 665.1 (epoch 0.3)" in curves.summary(log)


def test_no_log_is_no_error(tmp_path):
    log = curves.log_table(tmp_path)
    assert curves.curve(log, curves.LOSS).empty
    assert "without a training log" in curves.summary(log)


def test_a_model_called_like_the_bundled_one_is_not_the_bundled_one(tiny_model, tmp_path):
    """POET_MODEL=tang-lstm is a folder here, or a name on the Hub."""
    tiny_model.save_pretrained(tmp_path / "tang-lstm")
    code = "import app; print(app.source, app.model.config.hidden_size)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"POET_MODEL": "tang-lstm", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.stdout.split() == ["tang-lstm", "16"], done.stderr


def test_a_model_that_is_not_there_is_one_sentence(tmp_path):
    environment = os.environ | {"POET_MODEL": str(tmp_path / "none"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(ROOT / "app.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=environment, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: the page has no model to show")
    assert "Traceback" not in done.stderr


def test_the_shipped_log_gives_curves():
    shown = curves.curve(app.log, curves.LOSS)
    assert set(shown["split"]) == {curves.TRAIN, curves.VALID}
    assert shown.groupby("split")["value"].last().max() < shown.groupby("split")["value"].first().min()
