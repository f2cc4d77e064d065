"""The Hub's client: names, tokens, and its errors as ours. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import CheckpointError, HubError, InvalidValueError, PoetError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DEFAULT_NAME = "user/tang-lstm"  # in the card, until it is pushed


def check_token(token: str | bool | None) -> None:
    if isinstance(token, str) and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InvalidValueError(
            "token is no token of the Hub (hf_…): it is empty, or has spaces or other signs"
        )


@contextmanager
def explained(
    name: str, revision: str | None = None, *, writing: bool = False, near: str | None = None
) -> Iterator[None]:
    """Turns what huggingface_hub raises into one of our errors, with a sentence that says what to do.

    Args:
        name, revision: what is asked for.
        writing: whether something is pushed.
        near: where `name` may also be a mistyped path, which the sentence then says first: a hint at the
            folder that may be meant, such as " (is it 'runs/tang-lstm'?)", or "".
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    lead = "" if near is None else f"{name!r} is no folder here{near}; "
    missing = _missing(name, writing, near)
    try:
        yield
    except PoetError:
        raise
    except HFValidationError as error:
        raise CheckpointError(
            f"{name!r} is neither a folder on this machine nor a possible Hub name such as {DEFAULT_NAME}; "
            f"check the path{near or ''}"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(
            f"{name} has no revision {revision!r}; give a branch, a tag or a commit of it"
        ) from error
    except GatedRepoError as error:
        raise HubError(
            f"{name} is gated: ask for access on its page on the Hub, then log in with `hf auth login` or "
            "pass token="
        ) from error
    except (RepositoryNotFoundError, LocalTokenNotFoundError) as error:
        raise HubError(missing) from error
    except OfflineModeIsEnabled as error:
        raise HubError(f"{lead}{name}: the Hub was not asked, as HF_HUB_OFFLINE is set; unset it") from error
    except LocalEntryNotFoundError as error:
        where = f"{name}, revision {revision}," if revision else name
        raise HubError(
            f"{where} is no folder here and not whole in the cache, and {_silence(error)}; go online once, "
            f"or give the path of a model folder{near or ''}"
        ) from error
    except HfHubHTTPError as error:
        refusal = _refusal(name, error)
        raise HubError(f"{lead}{refusal}" if refusal else missing) from error
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise HubError(
            f"{lead}{name}: the exchange with the Hub broke off ({_one_line(error)}); try again"
        ) from error


_NOT_FOUND = (
    "the Hub shows you no model of that name: check the spelling; if it is private, log in with "
    "`hf auth login` or pass token="
)
_LOG_IN = "{!r} cannot be pushed by somebody unknown to the Hub: log in with `hf auth login` or pass token="


def _missing(name: str, writing: bool, near: str | None) -> str:
    """What is said where the Hub knows no such repository, or does not show it to us."""
    if writing:
        return _LOG_IN.format(name)
    return (
        f"{name!r}: {_NOT_FOUND}" if near is None else f"{name!r} is no folder here{near}, and {_NOT_FOUND}"
    )


def _silence(error: BaseException) -> str:
    """Why the Hub gave nothing."""
    response = getattr(error.__cause__, "response", None)
    if response is not None:
        return f"the Hub answered {response.status_code}"
    return "the Hub did not answer" if error.__cause__ else "the Hub was not asked"


def _one_line(error: BaseException) -> str:
    """What an error says, without line breaks and request numbers."""
    return " ".join(re.sub(r"\(Request ID: [^)]*\)", "", str(error)).split())


def _refusal(name: str, error: Exception) -> str:
    """What an answer that is an error means; '' where the repository is private or does not exist."""
    status = error.response.status_code
    message = error.response.headers.get("X-Error-Message") or _one_line(error)
    if status == 401 and message.startswith("Invalid credentials"):
        return (
            f"the Hub does not know the token that was sent for {name}: make a new one and `hf auth login`, "
            "or pass token="
        )
    if status == 401:  # what the Hub says to anybody about such a repository
        return ""
    if status == 403:
        return f"the Hub refused {name}: {message}; `hf auth whoami` tells who you are"
    if status == 412:
        return f"somebody else changed {name} at the same moment; push again"
    if status in (408, 429) or status >= 500:
        return f"the Hub answered {status} for {name}; try again later"
    return f"the Hub refused {name}: {message}"


def api_with(token: str | None) -> HfApi:
    """The client, with a token that can be one; None: that of `hf auth login` or HF_TOKEN."""
    from huggingface_hub import HfApi

    check_token(token)
    return HfApi(token=token)


def check_name(repo_id: str) -> None:
    """Raises InvalidValueError unless `repo_id` could be a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InvalidValueError(
            f"{repo_id!r} is no possible Hub name; give one such as {DEFAULT_NAME}"
        ) from error
