"""The page as users see it: served by `python app.py` and opened in a headless Chromium."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import ROOT, SHIPPED
from install_browser import FLAGS, find_chromium

from poet_model import PoetModel
from poet_model.novelty.index import NoveltyIndex
from poet_model.ui.opening import first_poem
from poet_model.ui.poet import Poet

pytestmark = pytest.mark.browser
ARTIFACTS = ROOT / "test-artifacts"
VEGA_NOTE = "Vega-Lite v5"  # Gradio's plots name an older version of the schema, which gives a warning


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_line() -> str:
    """The first line of the poem that the page opens with."""
    _, shown = first_poem(Poet(SHIPPED.name, SHIPPED, PoetModel.from_pretrained(SHIPPED)))
    return shown.text.split("，")[0]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page served by `python app.py`, with the Hub offline and an index of one poem."""
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "POET_CACHE": str(home / "cache"),
    }
    corpus = [(f"{first_line()}邊，月落烏啼霜滿天。", "春日", "某甲")]
    NoveltyIndex.build(corpus).save(home / "cache" / "novelty")
    log = home / "log.txt"
    with open(log, "w", encoding="utf-8") as output:
        command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text(encoding="utf-8")
                time.sleep(0.25)
        else:
            pytest.fail(f"no answer from app.py: {log.read_text(encoding='utf-8')}")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, address):
    """Opens the page in a new window; its requests and console messages are checked at the end."""
    contexts, messages, requests = [], [], []

    def opened(width: int = 1280, height: int = 800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: messages.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("#curves canvas, #curves svg", timeout=60_000)
        page.wait_for_selector("#poem .poem", timeout=60_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [text for text in messages if VEGA_NOTE not in text] == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []
    assert requests


def poem_of(page) -> str:
    return page.locator("#poem .poem").inner_text().replace("\n", "").strip()


def write(page, start: str) -> str:
    """Types a start, clicks the button and waits for the finished poem that begins with the start."""
    page.locator("#start textarea, #start input").first.fill(start)
    page.get_by_role("button", name="寫一首 Write", exact=True).click()
    page.wait_for_function(
        "start => { const p = document.querySelector('#poem .poem');"
        " return p.dataset.finished === 'true' && p.innerText.replace(/\\s/g, '').startsWith(start) }",
        arg=start,
        timeout=30_000,
    )
    return poem_of(page)


def unfold_more(page) -> None:
    """Opens 更多 More and waits until its boxes can be typed into.

    Gradio builds the content of a folded part when it is first opened, and sets every box to its initial
    value again up to 20 ms after the box appears (measured with Gradio 6.31). Only a test is fast enough to
    type before that.
    """
    page.locator("#more").get_by_text("更多 More").click()
    page.locator("#acrostic textarea, #acrostic input").first.wait_for()
    page.wait_for_timeout(1000)


def screenshot(page, name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    page.wait_for_timeout(600)  # wait for the plot to fade in
    page.screenshot(path=path, full_page=True)
    return path


def test_a_poem_is_there_at_once_and_another_is_written(open_page):
    page = open_page()
    first = poem_of(page)
    assert first.startswith("春") and first.endswith("。") and len(first) >= 10
    second = write(page, "秋")
    assert second.startswith("秋") and second.endswith("。")
    third = write(page, "春")
    assert third == first  # the same start and seed
    assert page.locator("#plain textarea").input_value().replace("\n", "") == third
    assert screenshot(page, "desktop").stat().st_size > 20_000


def test_lines_are_set_vertically_from_right_to_left(open_page):
    page = open_page()
    boxes = [line.bounding_box() for line in page.locator("#poem .poem p").all()]
    assert len(boxes) >= 2
    assert all(box["height"] > 2 * box["width"] for box in boxes)
    assert all(left["x"] < right["x"] for right, left in itertools.pairwise(boxes))


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_all_eight_lines_of_a_regulated_poem_are_in_sight(open_page, width):
    page = open_page(width, 844)
    page.get_by_text("七律", exact=True).click()
    write(page, "江")
    sheet = page.locator("#poem .scroll").bounding_box()
    boxes = [line.bounding_box() for line in page.locator("#poem .poem p").all()]
    assert len(boxes) == 8
    assert all(sheet["x"] - 1 <= box["x"] for box in boxes)
    assert all(box["x"] + box["width"] <= sheet["x"] + sheet["width"] + 1 for box in boxes)


def test_another_poem_has_another_seed(open_page):
    page = open_page()
    first, seed = poem_of(page), page.get_by_label("種子 Seed").input_value()
    page.get_by_role("button", name="再來一首 Another", exact=True).click()
    page.wait_for_function(
        "old => { const p = document.querySelector('#poem .poem');"
        " return p.dataset.finished === 'true' && p.innerText.replace(/\\s/g, '') !== old }",
        arg=first,
    )
    assert page.get_by_label("種子 Seed").input_value() != seed


def test_curves_are_drawn_and_switch_to_perplexity(open_page):
    page = open_page()
    plot = page.locator("#curves")
    assert (
        plot.locator("svg path.mark-line, svg .mark-line path").count() >= 2 or plot.locator("canvas").count()
    )
    assert "損失 loss" in plot.inner_text()
    page.get_by_text("困惑度 perplexity", exact=True).click()
    plot.get_by_text("困惑度 perplexity").first.wait_for()
    assert "Validation perplexity" in page.locator("#facts").inner_text()


def test_simplified_and_back(open_page):
    page = open_page()
    traditional = write(page, "雲")
    page.get_by_text("簡體", exact=True).click()
    page.wait_for_selector("#poem .poem[lang=zh-Hans]")
    assert poem_of(page).startswith("云") and len(poem_of(page)) == len(traditional)
    page.get_by_text("繁體", exact=True).click()
    page.wait_for_selector("#poem .poem[lang=zh-Hant]")
    assert poem_of(page) == traditional


@pytest.mark.parametrize("start", ["🏮🏮", "𪚥", "春" * 500, "<img src=x onerror=alert(1)>"])
def test_what_cannot_begin_a_poem_is_answered_in_a_sentence(open_page, start):
    page = open_page()
    before = poem_of(page)
    page.locator("#start textarea, #start input").first.fill(start)
    page.locator("#start textarea, #start input").first.press("Enter")
    notice = page.locator("#notice .advice")
    notice.wait_for(timeout=15_000)
    assert len(notice.inner_text()) > 20
    assert poem_of(page) == before
    assert page.locator("[data-testid=toast-body], .toast-body.error").count() == 0
    assert page.get_by_text("Error", exact=True).count() == 0


def notice_of(page) -> str:
    advice = page.locator("#notice .advice")
    advice.wait_for(timeout=15_000)
    return advice.inner_text()


def test_the_report_of_a_poem_unfolds(open_page):
    page = open_page()
    first = page.locator("#poem .report")
    line = first.locator(".verdict").inner_text()
    assert line.startswith("五絕 · ") and "押" in line and line.endswith("平仄合律")
    assert not first.locator(".strip").is_visible()
    first.locator("summary").click()
    assert first.locator(".strip tr").count() == 4 and first.locator(".strip").is_visible()
    assert f"「{first_line()}」某甲《春日》" in first.inner_text()
    write(page, "明月")
    again = page.locator("#poem .report")
    assert again.locator("td").first.text_content() == poem_of(page)[:6]
    again.locator("summary").click()
    assert "無一句見於全唐詩" in again.inner_text()
    traditional = again.locator("td:nth-child(2)").all_inner_texts()
    page.get_by_text("簡體", exact=True).click()
    page.wait_for_selector("#poem .report[lang=zh-Hans]")
    assert "五绝" in page.locator("#poem .verdict").inner_text()
    page.locator("#poem summary").click()
    assert page.locator("#poem .report td:nth-child(2)").all_inner_texts() == traditional


def test_more_options_unfold_and_an_acrostic_is_written(open_page):
    page = open_page()
    heads = page.locator("#acrostic textarea, #acrostic input").first
    assert not heads.is_visible()
    unfold_more(page)
    heads.fill("雲山風月")
    assert heads.input_value() == "雲山風月"
    page.get_by_role("button", name="寫一首 Write", exact=True).click()
    assert "leave the start empty" in notice_of(page)  # the start 春 differs from the acrostic
    before = poem_of(page)
    page.locator("#start textarea, #start input").first.fill("")
    page.locator("#title textarea, #title input").first.fill("秋夜")
    page.locator("#author textarea, #author input").first.fill("李白")
    page.locator("#original input").check()
    page.get_by_role("button", name="寫一首 Write", exact=True).click()
    page.wait_for_function(
        "old => { const p = document.querySelector('#poem .poem');"
        " return p.dataset.finished === 'true' && p.innerText.replace(/\\s/g, '') !== old }",
        arg=before,
    )
    assert page.locator("#poem .poem .given").all_inner_texts() == list("雲山風月")
    assert page.locator("#notice .advice").count() == 0
    assert page.locator("#poem .verdict").inner_text().endswith("平仄合律")
    page.locator("#acrostic textarea, #acrostic input").first.fill("春夏秋冬風花雪月明")
    page.get_by_role("button", name="寫一首 Write", exact=True).click()
    assert "2 to 8" in notice_of(page)
    screenshot(page, "more")


def test_without_a_form_the_rules_are_left_out(open_page):
    page = open_page()
    page.get_by_text("不限 any", exact=True).first.click()
    text = write(page, "夜")
    assert text.endswith("。") and page.locator("#notice .advice").count() == 0
    assert page.locator("#poem .report .gloss").inner_text()


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_the_poem_first_and_scrolls_one_way(open_page, width):
    page = open_page(width, 844, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    screenshot(page, f"phone-{width}")
    poem = page.locator("#poem .poem").bounding_box()
    settings = page.locator("#settings").bounding_box()
    assert poem["y"] + poem["height"] < 844 and poem["y"] < settings["y"]
    page.locator("#poem summary").click()
    unfold_more(page)
    screenshot(page, f"phone-{width}-unfolded")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_night_ink(open_page):
    page = open_page(color_scheme="dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background.strip("rgba()").split(",")[:3]) < 60
    screenshot(page, "dark")


def test_a_desktop_has_everything_in_sight(open_page):
    page = open_page()
    for part in ("#more", "#copy", "#facts"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 800, part


def test_the_keyboard_alone_writes_a_poem(open_page):
    page = open_page()
    page.locator("#start textarea, #start input").first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("月")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('#poem .poem').innerText.trim().startsWith('月')", timeout=30_000
    )
    assert poem_of(page).startswith("月")
