"""The two public API endpoints of the page, on a real server, with Gradio's client and over plain HTTP."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace

import httpx2 as http
import pytest

from poet_model.novelty.index import NoveltyIndex
from poet_model.ui import page
from poet_model.ui.opening import FIRST
from poet_model.ui.options import ANY_FORM
from poet_model.ui.poem import TRADITIONAL

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
def url(poet):
    demo = page.build(poet)
    _, local, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield local
    demo.close()


@pytest.fixture(scope="module")
def client(url):
    from gradio_client import Client

    return Client(url, verbose=False)


def characters(html: str) -> str:
    """The text of the poem in the HTML of the page."""
    poem = re.search(r'data-finished="true">(.*?)</div>', html)[1]
    return re.sub("<[^>]+>", "", poem)


def test_only_the_two_endpoints_are_public(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/generate", "/write_poem"}


def test_write_poem_is_the_models_poem(client, poet):
    options = {"seed": 3, "temperature": 0.7, "top_k": 20, "form": "五絕"}
    record = client.predict(start="春", **options, api_name="/write_poem")
    poem = poet.model.generate("春", **options)
    assert record["text"] == poem.text and record["lines"] == poem.lines and record["seed"] == 3
    assert record["log_probs"] == pytest.approx(poem.log_probs, abs=1e-4)
    assert len(record["log_probs"]) == len(record["text"])


def test_write_poem_draws_a_seed_that_writes_the_poem_again(client):
    first = client.predict(api_name="/write_poem")
    again = client.predict(seed=first["seed"], api_name="/write_poem")
    assert first["text"] == again["text"]


@pytest.mark.parametrize("options", [{"start": "𪚥"}, {"form": "六絕"}, {"temperature": -1}, {"top_k": -3}])
def test_write_poem_says_what_is_wrong(client, options):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as caught:
        client.predict(**options, api_name="/write_poem")
    assert len(str(caught.value)) > 15 and "Traceback" not in str(caught.value)


def test_generate_streams_growing_prefixes_of_the_poem(client, poet):
    job = client.submit("春", ANY_FORM, 0.8, 40, 7, TRADITIONAL, api_name="/generate")
    final = job.result()
    texts = [
        re.sub("<[^>]+>", "", re.search(r'data-finished="\w+">(.*?)</div>', step[0])[1])
        for step in job.outputs()
    ]
    assert len(texts) > 4
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(texts))
    assert characters(final[0]) == poet.model.generate("春", seed=7, temperature=0.8, top_k=40).text
    assert final[1].replace("\n", "") == characters(final[0])


@pytest.mark.parametrize("start", BAD_STARTS.values(), ids=BAD_STARTS)
def test_bad_starts_get_a_sentence_and_the_poem_stays(client, start):
    *_, (html, plain, notice) = [
        client.predict(start, ANY_FORM, 0.8, 40, 7, TRADITIONAL, api_name="/generate")
    ]
    assert 'class="notice advice"' in notice
    sentence = re.sub("<[^>]+>", "", notice)
    assert len(sentence) > 20 and "Error" not in sentence and "<img" not in notice
    # no new values are sent, so that the page keeps its poem
    assert "data-finished" not in str(html) and "。" not in str(plain)


def over_raw_http(url: str, data: list) -> str:
    """The events with which /generate answers a bare list of values, which may include NaN."""
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"data": data})
    started = http.post(f"{url}gradio_api/call/generate", content=body, headers=headers)
    return http.get(f"{url}gradio_api/call/generate/{started.json()['event_id']}", timeout=60).text


RAW = {"start": "春", "form": "五絕", "temperature": 0.8, "top_k": 40, "seed": 7, "script": TRADITIONAL}
RAW |= {"title": "", "author": "", "rules": ["rhyme"], "acrostic": "", "best_of": 2}
BAD_VALUES = {
    "not a number": ({"temperature": math.nan}, "must be numbers"),
    "null numbers": ({"top_k": None, "best_of": None}, "must be numbers"),
    "a number in words": ({"best_of": "8"}, "must be numbers"),
    "no end": ({"best_of": math.inf}, "must be numbers"),
    "a form that is none": ({"form": "六絕"}, "Form must be one of"),
    "a number for a text": ({"title": 7}, "Every box takes text"),
    "rules that are none": ({"rules": ["sonnet"]}, "Rules must be a list"),
    "rules in words": ({"rules": "rhyme"}, "Rules must be a list"),
    "many candidates": ({"best_of": 400}, "from 1 to 16"),
    "too hot": ({"temperature": 1e9}, "Temperature must be"),
    "an unknown author": ({"author": "𪚥𪚥"}, "give one of them, or leave author empty"),
    "nine heads": ({"start": "", "acrostic": "春夏秋冬風花雪月明"}, "2 to 8"),
    "heads of emoji": ({"start": "", "acrostic": "🏮🏮"}, "2 to 8"),
    "another head": ({"acrostic": "明月"}, "leave the start empty"),
    "a title of emoji": ({"title": "🏮"}, "not among the characters"),
    "a long title": ({"title": "春" * 400}, "400 characters"),
    "a very long title": ({"title": "春" * 4000}, "at most 2000 characters"),
}


@pytest.mark.parametrize(("wrong", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_get_a_sentence_over_raw_http(url, wrong, sentence):
    events = over_raw_http(url, list((RAW | wrong).values()))
    assert "event: error" not in events and "event: complete" in events
    assert "advice" in events and sentence in events and "data-finished" not in events


def test_null_texts_and_rules_are_none(url, poet):
    events = over_raw_http(
        url, list((RAW | dict.fromkeys(["title", "author", "rules", "acrostic"])).values())
    )
    options = {"temperature": RAW["temperature"], "top_k": RAW["top_k"]}
    poem = poet.model.generate("春", form="五絕", seed=7, best_of=2, **options)
    assert "event: complete" in events and json.dumps(poem.lines[-1])[1:-1] in events


def test_a_request_for_fewer_controls_has_their_first_values(url, poet):
    """As sent by a program that was written when the page had six controls."""
    events = over_raw_http(url, list(RAW.values())[:6])
    options = {"temperature": RAW["temperature"], "top_k": RAW["top_k"], "best_of": FIRST["best_of"]}
    poem = poet.model.generate("春", form="五絕", seed=7, rhyme=True, tones=True, **options)
    assert "event: complete" in events and json.dumps(poem.lines[-1])[1:-1] in events


def test_write_poem_reports_on_its_poem(client):
    options = {"form": "五絕", "rhyme": "東", "tones": "L2", "telestich": "", "best_of": 2}
    record = client.predict(start="春", seed=3, **options, api_name="/write_poem")
    report = record["report"]
    assert report["form"] == "五絕" and report["level"] in ("L0", "L1", "L2") and report["template"][0] == "T"
    assert report["rhyme"]["groups"] == ["東"] and len(report["tones"]) == len(record["text"])
    tails = client.predict(telestich="山月", seed=1, form="五絕", api_name="/write_poem")["lines"]
    assert [line[-2] for line in tails[:2]] == ["山", "月"]
    wishes = {"title": "春", "keywords": "明月 酒", "guidance_scale": 2}
    text = client.predict(seed=1, form="五絕", **wishes, api_name="/write_poem")["text"]
    assert "明月" in text and "酒" in text
    wishes["keywords"] = ["明月", "酒"]
    assert client.predict(seed=1, form="五絕", **wishes, api_name="/write_poem")["text"] == text


def test_write_poem_takes_every_setting_of_the_draw(client, poet):
    options = {"form": "五絕", "best_of": 2, "distinct_rhymes": True}
    options |= {"min_p": 0.05, "typical_p": 0.8, "mmi_lambda": 0.5}
    record = client.predict(start="春", seed=3, **options, api_name="/write_poem")
    assert record["text"] == poet.model.generate("春", seed=3, **options).text


def test_the_last_parameters_are_the_new_ones(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {name: [p["parameter_name"] for p in named[name]["parameters"]] for name in named}
    old = ["start", "form", "temperature", "top_k", "seed"]
    page_only = ["script", "title", "author", "rules", "acrostic", "best_of", "keywords"]
    assert names["/generate"] == [*old, *page_only]
    new = ["rhyme", "tones", "acrostic", "best_of", "telestich", "original"]
    newest = ["keywords", "distinct_rhymes", "parallel", "min_p", "typical_p", "guidance_scale", "mmi_lambda"]
    assert names["/write_poem"] == [*old, "author", "title", *new, *newest]
    assert all(p["parameter_has_default"] for name in named for p in named[name]["parameters"])


def test_with_an_index_original_is_the_last_parameter(poet):
    index = NoveltyIndex.build([("春眠不覺曉。", "春曉", "孟浩然")])
    named = page.build(replace(poet, index=index)).get_api_info()["named_endpoints"]
    names = [p["parameter_name"] for p in named["/generate"]["parameters"]]
    assert names[-2:] == ["keywords", "original"] and len(names) == 13
