"""Refuses requests that neither the page nor its API needs.

Gradio also serves uploads, files, and calls that go around its queue. Knows Gradio's routes, not the page.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import excerpt

MAX_BODY = 64 * 1024  # bytes; the longest wish that is not refused later has 30 kB
NOT_SERVED = "The page does not serve this. Programs ask for poems at /gradio_api/call/write_poem."
CANNOT_ANSWER = "The page cannot answer this request; /gradio_api/info lists the names that it knows."
_API = "/gradio_api"
# Gradio's route -> why the page needs it. * stands for one part of a path, ** for several.
_READ = {
    "/": "the page itself",
    "/config": "its components, for programs",
    "/theme.css": "its colours",
    "/static/**": "its pictures and fonts",
    "/assets/**": "its scripts",
    "/svelte/**": "its scripts",
    "/favicon.ico": "its icon",
    "/manifest.json": "its name on a phone's home screen",
    "/robots.txt": "search engines ask for it",
    "/openapi.json": "the documentation of the API",
    "/monitoring/summary": "the view `Use via API` asks for it; it is empty",
    f"{_API}/theme.css": "its colours",
    f"{_API}/info": "the documentation of the API",
    f"{_API}/openapi.json": "the documentation of the API",
    f"{_API}/app_id": "a page that lost its server asks whether it is the same",
    f"{_API}/startup-events": "Gradio asks itself at the start",
    f"{_API}/login_check": "a program's first request",
    f"{_API}/heartbeat/*": "an open page keeps its poem",
    f"{_API}/queue/status": "how long the queue is",
    f"{_API}/queue/data": "the poem as it is written",
    f"{_API}/call/*/*": "the same, for programs",
    f"{_API}/call/v2/*/*": "the same, for programs",
}
_WRITE = {
    f"{_API}/queue/join": "every button",
    f"{_API}/call/*": "the way in for programs",
    f"{_API}/call/v2/*": "the same, with named values",
    f"{_API}/cancel": "a program that no longer waits",
    f"{_API}/reset": "the same, in older programs; it does nothing",
}
_MCP = f"{_API}/mcp"  # there only if the page is started as an MCP server
_RELOAD = f"{_API}/dev/reload"  # the page asks for it under the command `gradio app.py`

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def _pattern(routes: dict[str, str]) -> re.Pattern[str]:
    """A pattern that matches the paths of these routes, with or without a slash at the end."""
    parts = (re.escape(route).replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for route in routes)
    return re.compile(f"(?:{'|'.join(parts)})/?")


_ALLOWED = {"GET": _pattern(_READ), "HEAD": _pattern(_READ), "POST": _pattern(_WRITE)}


def is_needed(method: str, path: str) -> bool:
    """Whether the page or its API needs this request."""
    if path == _MCP or path.startswith(f"{_MCP}/"):
        return True
    if path == _RELOAD:
        return bool(os.environ.get("GRADIO_WATCH_DIRS"))
    return method in _ALLOWED and bool(_ALLOWED[method].fullmatch(path))


class Guard:
    """An ASGI application in front of another one; only needed and short requests get through.

    Other paths are answered with 404, and bodies above MAX_BODY with 413, before more of them is read.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not is_needed(scope["method"], scope["path"]):
            await _refuse(send, 404, NOT_SERVED)
        elif (body := await _short_body(scope, receive)) is None:
            await _refuse(send, 413, f"A request may have {MAX_BODY} bytes at most.")
        else:
            await self._answer(scope, _after(body, receive), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio's answer; or a sentence where it fails, as for a name that it does not know."""
        is_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            what = f"{type(error).__name__}: {excerpt(str(error))}"
            print(f"note: {scope['method']} {excerpt(scope['path'])} failed ({what})", file=sys.stderr)
            if is_begun:
                await send({"type": "http.response.body", "body": b""})  # the end
            else:
                await _refuse(send, 400, CANNOT_ANSWER)


async def _short_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None if it is too long, which is often known before it is read."""
    if scope["method"] in ("GET", "HEAD"):
        return b""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or len(announced) > 9 or int(announced) > MAX_BODY:
        return None
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the client has gone
            return body
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        more = message.get("more_body", False)
    return body


def _after(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then whatever comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _refuse(send: Send, status: int, detail: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
