"""The way to the Hub: what the environment says about it, and why a request failed. It knows no models."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib.util import find_spec
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import check_variables, quoted, unusable_variables

# what huggingface_hub reads as whole numbers when it is imported: the smallest and the largest value of each
NUMBERS = {"HF_HUB_ETAG_TIMEOUT": (0, 10**6), "HF_HUB_DOWNLOAD_TIMEOUT": (0, 10**6)}
_PROXIES = [form(f"{scheme}_proxy") for scheme in ("https", "http", "all") for form in (str.lower, str.upper)]
# what huggingface_hub raises for an answer that it cannot read, such as the page of a hotel's network
_NOT_THE_HUB = (JSONDecodeError, LookupError, TypeError, AttributeError, AssertionError)
_MIRROR = "https://hf-mirror.com"


def check_environment() -> None:
    """Raises InvalidValueError for an environment variable with which huggingface_hub cannot be imported."""
    check_variables(NUMBERS)
    try:
        import tqdm  # noqa: F401 - huggingface_hub imports it
    except ValueError as error:
        raise unusable_variables("tqdm", error, "TQDM_") from error


def download(name: str, **options: Any) -> Path:
    """`huggingface_hub.snapshot_download`; what is in the cache serves whenever the Hub cannot be reached.

    The options are those of that function. huggingface_hub itself uses its cache only for some of the ways
    in which a request can fail.
    """
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if is_offline_mode():  # otherwise a client would be created, and fail if there is a proxy of a wrong kind
        options["local_files_only"] = True
    try:
        return Path(snapshot_download(name, **options))
    except HfHubHTTPError:  # an answer of the Hub
        raise
    except Exception:
        if not options.get("force_download") and not options.get("local_files_only"):
            with suppress(LocalEntryNotFoundError):
                return Path(snapshot_download(name, **options | {"local_files_only": True}))
        raise


def why_it_failed(error: BaseException) -> str:
    """The reason why a request got no answer from the Hub, and what to do, as a part of a sentence."""
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename} cannot be written ({error.strerror}); free some space, or set HF_HOME to "
            "another folder"
        )
    if fault := _fault_of_endpoint() or _fault_of_proxy():
        return fault
    is_other = isinstance(error, _NOT_THE_HUB)
    what = "what answered is not the Hub" if is_other else "the request to the Hub failed"
    return f"{what} ({one_line(error)}); check the network{_ways()}, and try again"


def why_nothing_came(error: BaseException) -> str:
    """The reason why the Hub gave no file, as the first part of a sentence."""
    response = getattr(error.__cause__, "response", None)
    if response is not None:
        return f"the Hub answered {response.status_code}"
    if error.__cause__ is None:
        return "the Hub was not contacted"
    return f"the Hub did not answer ({one_line(error.__cause__)}); check the network{_ways()}"


def one_line(error: BaseException) -> str:
    """The message of an error, without line breaks and request ids."""
    text = " ".join(re.sub(r"\(Request ID: [^)]*\)", "", str(error)).split())
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _fault_of_endpoint() -> str:
    """What is wrong with HF_ENDPOINT, and what to do; '' if nothing is."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint is None or _is_address(endpoint, ("http", "https")):
        return ""
    return f"HF_ENDPOINT must be an address such as {_MIRROR}, got {quoted(endpoint)}; correct or unset it"


def _fault_of_proxy() -> str:
    """What is wrong with the environment's proxies, and what to do; '' if nothing is.

    Only the variable is named, since its value may hold a password.
    """
    for name in _proxies():
        value = os.environ[name]
        scheme = value.partition("://")[0] if "://" in value else "http"
        if scheme in ("socks5", "socks5h") and find_spec("socksio") is None:
            return (
                f"the SOCKS proxy in {name} needs the package socksio: pip install socksio, or unset {name}"
            )
        if not _is_address(f"{scheme}://{value.split('://')[-1]}", ("http", "https", "socks5", "socks5h")):
            return (
                f"{name} must be the address of a proxy, such as http://127.0.0.1:7890 or "
                "socks5://127.0.0.1:7890; correct or unset it"
            )
    return ""


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number up to 65535
        return False


def _proxies() -> list[str]:
    return [name for name in _PROXIES if os.environ.get(name)]


def _ways() -> str:
    """What lies between this machine and the Hub: ' and the proxy in HTTPS_PROXY', or ''.

    The variables are only named, since their values may hold passwords.
    """
    ways = [f"the proxy in {name}" for name in _proxies()[:1]]
    if os.environ.get("HF_ENDPOINT"):
        ways.append("HF_ENDPOINT")
    return "".join(f" and {way}" for way in ways)
