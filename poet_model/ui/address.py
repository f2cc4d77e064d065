"""Where the page is served: checks the port and the address, and lets Gradio reach its own page.

Gradio reads some of the environment variables when it is imported, so check_address comes before that.
"""

from __future__ import annotations

import os
import socket

from ..errors import InvalidValueError, check_variables, quoted

PORTS = (1, 65535)
# what gradio and uvicorn read as whole numbers: the smallest and the largest value of each
NUMBERS = {
    "GRADIO_SERVER_PORT": PORTS,
    "GRADIO_NUM_PORTS": PORTS,
    "GRADIO_NODE_NUM_PORTS": PORTS,
    "GRADIO_NODE_SERVER_PORT": PORTS,
    "GRADIO_DEBUG": (0, 1),
    "GRADIO_NUM_WORKERS": (0, 1000),
    "GRADIO_ANALYTICS_MAX_EVENTS": (1, 10**9),
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": (1, 10**9),
    "WEB_CONCURRENCY": (1, 1000),
}
OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def check_address(port: int | None, host: str | None = None) -> None:
    """Checks where the page will be served.

    Args:
        port: the requested port; None if any free one will do.
        host: the requested address; None for that of GRADIO_SERVER_NAME, else 127.0.0.1.

    Raises:
        InvalidValueError: the port cannot be used, or an environment variable has a value that gradio cannot
            use.
    """
    check_variables(NUMBERS)
    name = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1") if host is None else host
    error = _refusal(name, 0) if name else None
    if not name or error:
        reason = f" ({error.strerror})" if error else ""
        what = "the environment variable GRADIO_SERVER_NAME" if host is None else "--host"
        raise InvalidValueError(
            f"{what} must be a name or an IPv4 address of this machine, "
            f"such as 127.0.0.1, or 0.0.0.0 for all its addresses; got {quoted(name)}{reason}"
        )
    if port is None:
        return
    if not PORTS[0] <= port <= PORTS[1]:
        raise InvalidValueError(f"--port must be a number from 1 to 65535, such as 7860; got {port}")
    if error := _refusal(name, port):
        raise InvalidValueError(
            f"port {port} cannot be used ({error.strerror}); give another --port, or omit it to use the next "
            "free port"
        )


def _refusal(name: str, port: int) -> OSError | None:
    """The error with which this machine refuses to serve at a port, or None."""
    with socket.socket() as probe:
        # The server sets SO_REUSEADDR too. On Windows the option would let us bind a port that is in use.
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((name, port))
        except UnicodeError:  # such as a label of more than 63 characters
            return OSError(None, "not a name")
        except OSError as error:
            return error
    return None


def reach_own_page() -> None:
    """Keeps the environment's proxies away from the requests with which Gradio checks its own page.

    The names of this machine are added to NO_PROXY. If no client can be created at all, because of a proxy
    or a NO_PROXY that httpx cannot use, this process goes on without proxies. So fetch models before, and
    import gradio, which creates clients, after.
    """
    import httpx

    names = [*OWN_NAMES, os.environ.get("GRADIO_SERVER_NAME", "")]
    for variable in ("NO_PROXY", "no_proxy"):  # the second has precedence
        own = os.environ.get(variable) or os.environ.get("NO_PROXY")
        os.environ[variable] = ",".join(filter(None, [own, *names]))
    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL):  # no socksio, an unknown scheme, no address
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
