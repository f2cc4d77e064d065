"""Visitors are told apart by their addresses, and by nothing that they can make up."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from poet_model.ui.visitors import client_of


def name(host: str, *forwarded: str, session: str = "s") -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return client_of(Request({"type": "http", "client": (host, 1), "headers": headers}), session)


@pytest.fixture
def on_a_space(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "user/tang-poet")


def test_an_address_is_one_visitor_whatever_the_session(monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert name("8.8.8.8", session="a") == name("8.8.8.8", session="b") != name("8.8.4.4", session="a")
    assert name("192.168.1.7") != name("192.168.1.8")
    assert name("8.8.8.8", "1.1.1.1") == name("8.8.8.8")  # anybody can send this header


def test_an_ipv6_household_is_one_visitor():
    assert (
        name("2a00:1450:4001:80b::1") == name("2a00:1450:4001:80b:ffff::2") != name("2a00:1450:4001:80c::1")
    )
    assert name("::ffff:8.8.8.8") == name("8.8.8.8")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "testclient", ""])
def test_on_this_machine_it_is_the_session(host, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert name(host, session="a") == name(host, session="a") != name(host, session="b")


@pytest.mark.usefixtures("on_a_space")
def test_on_a_space_it_is_the_last_public_address():
    assert name("10.1.1.1", "8.8.8.8") == name("10.2.2.2", "8.8.8.8, 10.3.3.3") == "8.8.8.8"
    assert name("10.1.1.1", "1.1.1.1, 8.8.8.8") == name("10.1.1.1", "9.9.9.9,8.8.8.8") == "8.8.8.8"
    assert (
        name("10.1.1.1", "9.9.9.9", "8.8.8.8") == "8.8.8.8"
    )  # a header of the visitor's, and one of the proxy's
    assert name("10.1.1.1", "nonsense, 10.9.9.9") == name("10.1.1.1") == name("127.0.0.1")  # the session
