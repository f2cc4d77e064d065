"""Where the page is served: ports, addresses and proxies of the environment."""

from __future__ import annotations

import os
import socket

import httpx
import pytest

from poet_model.errors import InvalidValueError
from poet_model.ui.address import NUMBERS, check_address, reach_own_page


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["abc", "", "-1", "1.5", "9999999999"])
def test_a_variable_that_is_no_such_number_is_one_sentence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(
        InvalidValueError, match=f"^the environment variable {name} must be a whole number from"
    ):
        check_address(None)


def test_numbers_that_gradio_accepts_pass(monkeypatch):
    for name, (low, high) in NUMBERS.items():
        monkeypatch.setenv(name, f" {high} " if high < 1000 else str(low))
    check_address(None)


@pytest.mark.parametrize("port", [0, -1, 65536, 10**20])
def test_a_number_that_is_no_port_is_one_sentence(port):
    with pytest.raises(InvalidValueError, match=f"--port must be a number from 1 to 65535, .*; got {port}$"):
        check_address(port)


def test_a_port_is_tried_at_the_address_that_is_served(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InvalidValueError, match=r"port \d+ cannot be used \("):
            check_address(taken.getsockname()[1])


@pytest.mark.parametrize("name", ["", "::1", "192.0.2.1", "no name", "春.invalid", "a" * 70])
def test_an_address_of_another_machine_is_one_sentence(monkeypatch, name):
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    with pytest.raises(InvalidValueError, match=r"GRADIO_SERVER_NAME must be .*, or 0\.0\.0\.0 for all"):
        check_address(None)


@pytest.mark.parametrize(
    ("environment", "is_kept"),
    [
        ({}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, True),
        ({"http_proxy": "127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}, True),
        (
            {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "poems.example", "no_proxy": "verse.example"},
            True,
        ),
        ({"HTTPS_PROXY": "http://:bad"}, False),
        ({"ALL_PROXY": "carrier-pigeon://127.0.0.1:9"}, False),
        ({"NO_PROXY": "poems.example,[::1]"}, False),
    ],
    ids=str,
)
def test_no_proxy_comes_between_the_page_and_its_own_machine(monkeypatch, environment, is_kept):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for form in (name, name.lower()):
            monkeypatch.delenv(form, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy"):  # reach_own_page sets both; this restores them
        monkeypatch.setenv(name, os.environ.get(name, os.environ.get("NO_PROXY", "")))
    before = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy")}
    reach_own_page()
    assert (os.environ["NO_PROXY"] != "*") is is_kept
    if is_kept:
        for name, value in before.items():
            assert value in os.environ[name] and "127.0.0.1" in os.environ[name].split(",")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with httpx.Client() as client, pytest.raises(httpx.ConnectError):  # itself, not the answer of a proxy
        client.get(f"http://127.0.0.1:{port}/")
    with httpx.Client() as client:
        assert all(
            client._transport_for_url(httpx.URL(f"http://{host}:7860/")) is client._transport
            for host in ("127.0.0.1", "localhost", "[::1]")
        )
