"""Networks as they are: connections that break, servers that are not the Hub, mirrors and proxies."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from conftest import ROOT, SHIPPED

from poet_model.errors import InvalidValueError
from poet_model.hub import network

HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
ANSWERS = {
    "nothing": "",
    "torn": HEAD + "Content-Length: 99\r\n\r\n{",
    "html": HEAD + "Content-Type: text/html\r\n\r\n<html>Log in</html>",
    "json": HEAD + "Content-Type: application/json\r\n\r\n{}",
    "garbage": "\x00\xff no HTTP\r\n\r\n",
}
SOCKS = {"ALL_PROXY": "socks5://127.0.0.1:9"}
FIND = (
    "import sys; from poet_model.hub import find_folder; from poet_model.errors import PoetError\n"
    "try: print(sorted(path.name for path in find_folder('user/tang-lstm').iterdir()))\n"
    "except PoetError as error: print(f'{type(error).__name__}: {error}')"
)


@pytest.fixture(params=ANSWERS)
def stranger(request):
    """The address of a server that is not the Hub. It closes the connection after its answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(ANSWERS[request.param].encode("latin-1"))

        threading.Thread(target=serve, daemon=True).start()
        yield "http://127.0.0.1:{1}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)  # ends accept()


def run(*command: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def corpus(tmp_path, **environment: str) -> str:
    """What `python -m poet_model.corpus user/poems` says on stderr, which must be one sentence."""
    command = ("-m", "poet_model.corpus", "user/poems", "--output", tmp_path / "poems.jsonl")
    done = run(*command, HF_HOME=str(tmp_path / "home"), POET_CACHE=str(tmp_path / "cache"), **environment)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def test_a_server_that_is_not_the_hub_is_one_sentence(stranger, tmp_path):
    said = corpus(tmp_path, HF_ENDPOINT=stranger)
    assert "no data set of that name could be downloaded from the Hub (user/poems: " in said
    assert "check the network and HF_ENDPOINT, and try again" in said


@pytest.mark.parametrize(
    ("environment", "advice"),
    [
        (
            {"HF_ENDPOINT": "hf-mirror.invalid"},
            "HF_ENDPOINT must be an address such as https://hf-mirror.com, got",
        ),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the Hub did not answer (ConnectError: "),
        (SOCKS, "the SOCKS proxy in ALL_PROXY needs the package socksio: pip install socksio"),
        (
            {"HTTPS_PROXY": "http://me:secret@:bad"},
            "HTTPS_PROXY must be the address of a proxy, such as http://",
        ),
        (
            {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""},
            "check the network and the proxy in HTTP_PROXY",
        ),
        (
            {"HF_HUB_DOWNLOAD_TIMEOUT": "soon"},
            "HF_HUB_DOWNLOAD_TIMEOUT must be a whole number from 0 to 1000000",
        ),
        ({"TQDM_MININTERVAL": "soon"}, "correct or unset TQDM_MININTERVAL"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_way_that_leads_nowhere_is_one_sentence(tmp_path, environment, advice):
    said = corpus(tmp_path, **environment)
    assert advice in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "poet_model.evaluation", SHIPPED),
        ("-m", "poet_model.hub", "space", "user/tang-poet", "--model", "user/tang-lstm"),
        ("train.py", "--resume"),
        ("app.py",),
    ],
    ids=lambda command: command[-1] if len(command) == 1 else command[1],
)
def test_a_variable_that_tqdm_cannot_read_is_one_sentence(command):
    done = run(*command, TQDM_MININTERVAL="soon")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.endswith("; correct or unset TQDM_MININTERVAL\n")


@pytest.fixture(scope="module")
def home(running_hub, tmp_path_factory):
    """A Hub's cache that holds the shipped model as user/tang-lstm."""
    from huggingface_hub import HfApi

    running_hub.reset()
    folder = tmp_path_factory.mktemp("model")
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        shutil.copyfile(SHIPPED / name, folder / name)
    api = HfApi(token="hf_writer")
    api.create_repo("user/tang-lstm")
    api.upload_folder(repo_id="user/tang-lstm", folder_path=folder)
    path = tmp_path_factory.mktemp("home")
    assert "config.json" in run("-c", FIND, HF_HOME=str(path)).stdout
    return str(path)


@pytest.mark.parametrize(
    "environment",
    [
        SOCKS,
        SOCKS | {"HF_HUB_OFFLINE": "1"},
        {"HTTP_PROXY": "http://:bad"},
        {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""},
        {"HF_ENDPOINT": "hf-mirror.invalid"},
    ],
    ids=str,
)
def test_what_is_in_the_cache_is_always_found(home, environment):
    done = run("-c", FIND, **{"HF_HOME": home} | environment)
    assert "model.safetensors" in done.stdout, done.stdout + done.stderr


def test_a_download_that_breaks_off_is_one_sentence(home, running_hub, tmp_path):
    """The storage sends a part of the weights only; then the Hub cannot be reached any more."""
    running_hub.on("GET /storage", b"half a file", times=100)
    try:
        done = run("-c", FIND, HF_HOME=str(tmp_path))
    finally:
        running_hub.faults.clear()
    assert done.stdout.startswith("HubError: ") and done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_what_is_in_the_cache_is_found_behind_a_server_that_is_not_the_hub(home, stranger):
    done = run("-c", FIND, HF_HOME=home, HF_ENDPOINT=stranger)
    assert "model.safetensors" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("HF_ENDPOINT", "https://hf-mirror.com/", ""),
        ("HF_ENDPOINT", "http://[::1]:8080/hub", ""),
        ("HF_ENDPOINT", "", "HF_ENDPOINT must be an address such as https://hf-mirror.com, got ''"),
        ("HF_ENDPOINT", "ftp://hf-mirror.com", "HF_ENDPOINT must be an address"),
        ("HF_ENDPOINT", "https://", "HF_ENDPOINT must be an address"),
        ("HF_ENDPOINT", "https://mirror:port", "HF_ENDPOINT must be an address"),
        ("https_proxy", "127.0.0.1:7890", ""),
        ("https_proxy", "http://me:word@proxy.example:7890", ""),
        ("https_proxy", "socks4://127.0.0.1:9", "https_proxy must be the address of a proxy"),
        ("HTTP_PROXY", "http://127.0.0.1:99999", "HTTP_PROXY must be the address of a proxy"),
        ("all_proxy", "socks5h://127.0.0.1:9", "the SOCKS proxy in all_proxy needs the package socksio"),
    ],
)
def test_what_is_wrong_with_the_way_is_named(monkeypatch, name, value, fault):
    for each in ("HF_ENDPOINT", *network._PROXIES):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    said = network.why_it_failed(RuntimeError("lost\n on the  way"))
    if fault:
        assert said.startswith(fault) and said.endswith(f"unset {name}" if "socks5h" in value else "unset it")
    else:
        assert said.startswith(
            "the request to the Hub failed (RuntimeError: lost on the way); check the network"
        )
        assert said.endswith(f"{name}, and try again") and "word" not in said


def test_a_cache_that_cannot_be_written_is_said_as_such():
    error = PermissionError(13, "Permission denied", "/nowhere/hub")
    assert network.why_it_failed(error) == (
        "/nowhere/hub cannot be written (Permission denied); free some space, or set HF_HOME to another "
        "folder"
    )


@pytest.mark.parametrize("value", ["abc", "", "-1", "1.5", "1e3", str(10**30)])
@pytest.mark.parametrize("name", network.NUMBERS)
def test_a_variable_that_is_no_such_number_is_one_sentence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidValueError, match=f"^the environment variable {name} must be a whole number"):
        network.check_environment()
