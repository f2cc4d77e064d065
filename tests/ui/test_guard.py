"""The guard in front of the page: what the page needs gets through, everything else of Gradio is refused."""

from __future__ import annotations

import itertools

import httpx2 as http
import pytest

from poet_model.ui import page
from poet_model.ui.guard import MAX_BODY, is_needed

NEEDED = {
    "GET": """/ /config /theme.css /static/* /assets/* /svelte/* /favicon.ico /manifest.json /robots.txt
        /openapi.json /monitoring/summary /gradio_api/theme.css /gradio_api/info /gradio_api/openapi.json
        /gradio_api/app_id /gradio_api/startup-events /gradio_api/login_check /gradio_api/heartbeat/x
        /gradio_api/queue/status /gradio_api/queue/data /gradio_api/call/x/x /gradio_api/call/v2/x/x""",
    "POST": "/gradio_api/queue/join /gradio_api/call/x /gradio_api/call/v2/x /gradio_api/cancel "
    "/gradio_api/reset",
}


@pytest.fixture(scope="module")
def served(poet):
    demo = page.build(poet)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield demo, url
    demo.close()


def routes(app) -> set[tuple[str, str]]:
    """Every method and path of an application, with x for a part that may vary, and * for several."""
    found = set()
    included = [route.original_router for route in app.routes if hasattr(route, "original_router")]
    for route in itertools.chain(*(router.routes for router in [app, *included])):
        if not hasattr(route, "path"):
            continue
        parts = [
            "*" if part.endswith(":path}") else "x" if part.startswith("{") else part
            for part in route.path.rstrip("/").split("/")
        ]
        found |= {(method, "/".join(parts) or "/") for method in route.methods}
    return found


def test_of_all_routes_of_gradio_only_those_that_are_needed_get_through(served):
    demo, _ = served
    through = {
        (method, path) for method, path in routes(demo.app) if is_needed(method, path.replace("*", "a/b"))
    }
    expected = {(method, path) for method in NEEDED for path in NEEDED[method].split()}
    assert {pair for pair in through if pair[0] != "HEAD"} == expected
    assert len(routes(demo.app)) > 50


@pytest.mark.parametrize("path", ["run/write_poem", "api/write_poem", "run/generate/", "api/generate"])
def test_no_call_goes_around_the_queue(served, path):
    _, url = served
    answer = http.post(f"{url}gradio_api/{path}", json={"data": ["春"]})
    assert answer.status_code == 404 and "/gradio_api/call/write_poem" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["upload", "component_server", "process_recording", "stream/x", "vibe-code/"]
)
def test_nothing_can_be_uploaded(served, path):
    _, url = served
    answer = http.post(f"{url}gradio_api/{path}", files={"files": ("a.mp4", b"x" * 1000)})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path", ["file=app.py", "file=/etc/hostname", "file/app.py", "proxy=http://x.hf.space/"]
)
def test_no_file_is_served(served, path):
    assert http.get(f"{served[1]}gradio_api/{path}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [("write_poem", {"strat": "春"}), ("nothing", {"start": "春"}), ("write_poem", {"start": "春", "": 1})],
)
def test_an_unknown_name_is_answered_with_a_sentence(served, path, body, capfd):
    answer = http.post(f"{served[1]}gradio_api/call/v2/{path}", json=body)
    assert answer.status_code == 400 and answer.json()["detail"].startswith("The page cannot answer")
    noted = capfd.readouterr().err
    assert noted.startswith("note: POST /gradio_api/call/v2/") and noted.count("\n") == 1


def test_an_event_that_nobody_began_leaves_no_traceback(served, capfd):
    http.get(f"{served[1]}gradio_api/call/write_poem/deadbeef")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "in chunks"])
def test_a_long_body_is_refused(served, is_announced):
    content = b'{"data": ["' + b"x" * MAX_BODY + b'"]}'
    chunks = itertools.batched(content, 8192) if hasattr(itertools, "batched") else [content]
    sent = content if is_announced else (bytes(chunk) for chunk in chunks)
    headers = {"Content-Type": "application/json"}
    answer = http.post(f"{served[1]}gradio_api/call/write_poem", content=sent, headers=headers)
    assert answer.status_code == 413 and str(MAX_BODY) in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "//gradio_api/upload",
        "/gradio_api//upload",
        "/gradio_api/queue/join/../../upload",
        "/gradio_api/UPLOAD",
    ],
)
def test_other_spellings_do_not_help(path):
    assert not is_needed("POST", path)


def test_the_server_of_mcp_and_reloading_pass_where_they_are_on(monkeypatch):
    assert is_needed("POST", "/gradio_api/mcp/") and is_needed("GET", "/gradio_api/mcp/sse")
    assert not is_needed("POST", "/gradio_api/mcpx")
    monkeypatch.delenv("GRADIO_WATCH_DIRS", raising=False)
    assert not is_needed("GET", "/gradio_api/dev/reload")
    monkeypatch.setenv("GRADIO_WATCH_DIRS", "somewhere")
    assert is_needed("GET", "/gradio_api/dev/reload")


PROBES = {
    "no index": {"original": True},
    "a path for the index": {"original": "/etc"},
    "a file for a text": {"start": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}},
    "a list": {"start": ["春"]},
    "a number": {"form": 5},
    "a word": {"temperature": "hot"},
}


@pytest.mark.parametrize("wrong", PROBES.values(), ids=PROBES)
def test_no_answer_has_a_path_of_the_server(served, wrong, tmp_path, monkeypatch):
    monkeypatch.setenv("POET_CACHE", str(tmp_path))
    _, url = served
    event = http.post(f"{url}gradio_api/call/v2/write_poem", json=wrong).json()["event_id"]
    answer = http.get(f"{url}gradio_api/call/write_poem/{event}", timeout=60).text
    assert "event: error" in answer
    for part in (str(tmp_path), "site-packages", "Traceback", "python -m", ".py"):
        assert part not in answer
