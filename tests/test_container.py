"""The container: Dockerfile, compose.yaml and .dockerignore agree with each other and with the code.

No container is built here. tests/test_wheel.py builds the wheel from what .dockerignore lets in.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from conftest import ROOT

from poet_model.cli.commands import make_parser, module_of
from poet_model.novelty.index import default_folder

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
SERVICE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["poet"]
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]  # the stage that is kept


def values(instruction: str, text: str = FINAL) -> list[str]:
    """What follows an instruction, of each line with it."""
    return re.findall(rf"^{instruction} +(.+)$", text, re.MULTILINE)


def words(instruction: str) -> list[str]:
    """The words of the last JSON array of an instruction."""
    return json.loads(re.search(r"\[.*\]", values(instruction)[-1])[0])


def test_it_serves_the_page_to_other_machines_at_the_port_that_is_published():
    program, name, *options = words("ENTRYPOINT") + words("CMD")
    assert program == "poet" and make_parser().parse_args([name]).command == "app"
    page = module_of(name).make_parser().parse_args(options)
    assert page.host == "0.0.0.0" and values("EXPOSE") == [str(page.port)]
    assert [port.rpartition(":")[2] for port in SERVICE["ports"]] == [str(page.port)]
    assert f"127.0.0.1:{page.port}/" in words("HEALTHCHECK")[-1]


def test_it_runs_as_a_user_who_may_write_into_the_volume_only():
    (user,) = values("USER")
    assert user != "root" and f"--owner {user} " in FINAL
    (volume,) = values("VOLUME")
    assert SERVICE["volumes"] == [f"cache:{volume}"]
    assert SERVICE["read_only"] and SERVICE["tmpfs"] == ["/tmp"]
    places = dict(pair.split("=") for pair in values("ENV")[0].split())
    assert all(places[name].startswith(f"{volume}/") for name in ("HF_HOME", "POET_CACHE"))


def test_the_index_is_found_in_the_volume(monkeypatch):
    (line,) = values("ENV")
    for name, value in (pair.split("=") for pair in line.split()):
        monkeypatch.setenv(name, value)
    assert default_folder().as_posix().startswith(values("VOLUME")[0])


def test_what_it_installs_is_an_extra_without_torch():
    assert values("FROM", DOCKERFILE) == ["python:3.12-slim AS wheel", "python:3.12-slim"]
    assert re.search(r"pip install .*\[(\w+)\]", FINAL)[1] == "app"


def test_all_that_is_let_into_the_build_exists():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"  # nothing but what is named
    names = [line[1:] for line in lines if line.startswith("!")]
    assert names and all((ROOT / name).exists() for name in names)


@pytest.fixture
def served():
    """A page at a free port, and the status that it answers with, in a list."""
    status = [200]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, status
        server.shutdown()


def healthy(port: int) -> bool:
    """Whether the health check passes, with the page at another port, and a proxy that is none."""
    program, *arguments = words("HEALTHCHECK")
    assert program == "python"
    arguments[-1] = arguments[-1].replace(":7860/", f":{port}/")
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run([sys.executable, *arguments], env=environment, stderr=subprocess.PIPE)
    return done.returncode == 0


def test_the_health_check_tells_a_page_that_answers_from_one_that_does_not(served):
    port, status = served
    assert healthy(port)
    status[0] = 503
    assert not healthy(port)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert not healthy(closed.getsockname()[1])
