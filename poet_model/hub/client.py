"""Access to the Hub: checks names and tokens, and turns the Hub's errors into ours. It handles no files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import CheckpointError, HubError, InvalidValueError, PoetError, quoted
from .network import check_environment, one_line, why_it_failed, why_nothing_came

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

DEFAULT_NAME = "user/tang-lstm"  # the model's name in the card before the model is pushed


def check_token(token: str | bool | None) -> None:
    """Raises InvalidValueError if `token` is text that cannot be a token of the Hub."""
    if isinstance(token, str) and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InvalidValueError(
            "token must be a token of the Hub (hf_…), got one that is empty or has spaces or special "
            "characters; copy it again"
        )


@contextmanager
def explained(
    name: str,
    revision: str | None = None,
    *,
    writing: bool = False,
    near: str | None = None,
    kind: str = "model",
) -> Iterator[None]:
    """Turns the exceptions of huggingface_hub into our errors, with a message that says what to do.

    Args:
        name, revision: the repository and the revision that the block accesses.
        writing: whether the block pushes something.
        near: None if `name` cannot be a path. Otherwise the message also says that there is no such folder,
            followed by `near`: a hint such as " (is it 'runs/tang-lstm'?)", or "" for no hint.
        kind: what the repository holds, for the message.
    """
    check_environment()
    from huggingface_hub import errors

    lead = "" if near is None else f"{quoted(name)} is not a folder here{near}; "
    missing = _missing(name, writing, near, kind)
    try:
        yield
    except PoetError:
        raise
    except errors.HFValidationError as error:
        raise CheckpointError(
            f"{quoted(name)} is neither a folder on this machine nor a valid Hub name such as {DEFAULT_NAME}"
            f"; check the path{near or ''}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(
            f"{name} has no revision {quoted(revision)}; give a branch, a tag or a commit of it"
        ) from error
    except errors.GatedRepoError as error:
        raise HubError(
            f"{name} is gated: ask for access on its page on the Hub, then log in with `hf auth login` or "
            "(in Python) pass token="
        ) from error
    except (errors.RepositoryNotFoundError, errors.LocalTokenNotFoundError) as error:
        raise HubError(missing) from error
    except errors.OfflineModeIsEnabled as error:
        raise HubError(f"{lead}{name}: HF_HUB_OFFLINE is set, so the Hub was not asked; unset it") from error
    except errors.LocalEntryNotFoundError as error:
        where = f"{name}, revision {revision}," if revision else name
        path = "" if near is None else f", or give the path of a model folder{near}"
        raise HubError(
            f"{where} is {'' if near is None else 'not a folder here and '}not complete in the cache, and "
            f"{why_nothing_came(error)}; go online once{path}"
        ) from error
    except errors.HfHubHTTPError as error:
        refusal = _refusal(name, error)
        raise HubError(f"{lead}{refusal}" if refusal else missing) from error
    except Exception as error:  # a broken network and a server that is not the Hub raise all sorts of them
        raise HubError(f"{lead}{name}: {why_it_failed(error)}") from error


_NOT_FOUND = (
    "the Hub shows you no {} of that name: check the spelling; if it is private, log in with "
    "`hf auth login` (in Python, also token=)"
)
_LOG_IN = "{!r} cannot be pushed without a login: log in with `hf auth login` (in Python, also token=)"


def _missing(name: str, writing: bool, near: str | None, kind: str) -> str:
    """The message for a repository that does not exist, or that the Hub does not show to this user."""
    if writing:
        return _LOG_IN.format(name)
    lead = f"{quoted(name)}: " if near is None else f"{quoted(name)} is not a folder here{near}, and "
    return lead + _NOT_FOUND.format(kind)


def _refusal(name: str, error: HfHubHTTPError) -> str:
    """The meaning of an HTTP error; '' if the repository may be private or may not exist."""
    status = error.response.status_code
    message = error.response.headers.get("X-Error-Message") or one_line(error)
    if status == 401 and message.startswith("Invalid credentials"):
        return (
            f"the Hub does not accept the token that was sent for {name}: create a new one, and log in with "
            "`hf auth login` (in Python, also token=)"
        )
    if status == 401:  # the Hub's answer to anyone without access
        return ""
    if status == 403:
        return f"the Hub refused {name}: {message}; `hf auth whoami` shows who you are"
    if status == 412:
        return f"someone else changed {name} at the same time; push again"
    if status in (408, 429) or status >= 500:
        return f"the Hub answered {status} for {name}; try again later"
    return f"the Hub refused {name}: {message}"


def api_with(token: str | None) -> HfApi:
    """The client of huggingface_hub with a token; None uses that of `hf auth login` or HF_TOKEN.

    Raises:
        InvalidValueError: `token` cannot be a token of the Hub.
    """
    check_environment()
    from huggingface_hub import HfApi

    check_token(token)
    return HfApi(token=token)


def check_name(repo_id: str) -> None:
    """Raises InvalidValueError if `repo_id` is not a valid name of a repository."""
    check_environment()
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # named in their docs

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InvalidValueError(
            f"{quoted(repo_id)} is not a valid Hub name; give one such as {DEFAULT_NAME}"
        ) from error
