"""The errors that users can encounter. Each message says what was given, what was expected and what to do."""

from __future__ import annotations

import functools
import math
import os
import reprlib
import sys
from collections.abc import Callable, Mapping

from .extras import how_to_install
from .terminal import on_any_terminal

MAX_SHOWN = 60  # characters of a given value that a message repeats


class PoetError(Exception):
    """The base class of all errors that the caller can correct. Any other exception is a bug in this package.

    Attributes:
        chinese: the message in Chinese if it can appear on the page, otherwise ''.

    Example:
        >>> import poet_model
        >>> try:
        ...     poet_model.load().generate("春", form="十絕")
        ... except poet_model.PoetError as error:
        ...     print(error)
        form must be one of 五絕 七絕 五律 七律 (or a long name such as 五言絕句) or empty, got '十絕'
    """

    def __init__(self, message: str = "", *, chinese: str = ""):
        super().__init__(message)
        self.chinese = chinese


class InvalidValueError(PoetError, ValueError):
    """An argument or a setting has an invalid value."""


class UnknownCharacterError(PoetError, ValueError):
    """A requested character is not in the model's vocabulary.

    Attributes:
        character: that character.
        suggestions: at most five characters that are in the vocabulary.
        source: what the character is part of, such as "the keyword 春Q"; may be empty.

    Example:
        >>> print(UnknownCharacterError("Q", ["春", "山"]))
        'Q' is not among the characters this model knows; try one of these instead: 春 山
    """

    def __init__(self, character: str, suggestions: list[str], source: str = ""):
        self.character, self.source = character, source
        self.suggestions: list[str] = suggestions[:5]
        known = "".join(f"「{suggestion}」" for suggestion in self.suggestions)
        super().__init__(
            f"{quoted(character)}{source and f' in {source}'} is not among the characters this model knows; "
            f"try one of these instead: {' '.join(self.suggestions)}",
            chinese=f"這個模型沒學過「{excerpt(character)}」，不妨試試{known}。",
        )

    # makes the error picklable, so that another process can raise it
    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.character, self.suggestions, self.source)


class CorpusError(PoetError, ValueError):
    """A corpus cannot be found or read, or has no poems."""


class CheckpointError(PoetError, OSError):
    """A model folder or one of its files is missing, incomplete, damaged, or of another kind."""


class HubError(PoetError, OSError):
    """A download from the Hub or an upload to it failed."""


class _ShortRepr(reprlib.Repr):
    """A `repr` that is short, takes little time, and works where `__repr__` fails."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, MAX_SHOWN, MAX_SHOWN
        self.fillvalue = "…"

    repr_bytes = reprlib.Repr.repr_str

    def repr_int(self, number: int, level: int) -> str:
        if number.bit_length() <= 128:
            return repr(number)
        # Python does not write out a number of more than 4,300 digits
        return f"a number of about {round(number.bit_length() * math.log10(2)):,} digits"


_SHORT_REPR = _ShortRepr()


def quoted(value: object) -> str:
    """A value as a message repeats it: its `repr`, or the beginning and the end of it, as for a long path.

    No more than MAX_SHOWN of its characters are shown, all can be printed, and no value makes it fail.

    Example:
        >>> print(quoted("/home/me/" + "deeper/" * 20 + "poems.txt"))
        '/home/me/deeper/deeper/deep…eper/deeper/deeper/poems.txt'
    """
    return excerpt(_SHORT_REPR.repr(value))


def excerpt(text: str) -> str:
    """The beginning of a text as a message repeats it, without quotation marks.

    It has at most MAX_SHOWN characters, then `…` if there are more, and all of them can be printed.
    """
    beginning = "".join(c if c.isprintable() else "\ufffd" for c in text[:MAX_SHOWN])
    return beginning + "…" * (len(text) > MAX_SHOWN)


def check_text(name: str, value: object, most: int, chinese: str = "") -> None:
    """Checks the type and the length of a text, so that nothing reads a text that is too long to be meant.

    Args:
        name: the name of the text in the error message, such as "title".
        value: the value to check.
        most: the largest number of characters.
        chinese: the name in Chinese, if the error can appear on the page.

    Raises:
        InvalidValueError: `value` is not text, or longer.
    """
    if not isinstance(value, str):
        raise InvalidValueError(f"{name} must be text, got {quoted(value)}")
    if len(value) > most:
        raise InvalidValueError(
            f"the {name} has {len(value):,} characters; at most {most:,} fit: shorten it",
            chinese=chinese and f"{chinese}有 {len(value)} 字，最多 {most} 字，請刪短些。",
        )


def check_number(
    name: str,
    value: object,
    low: float,
    high: float | None = None,
    *,
    whole: bool = False,
    above: bool = False,
    below: bool = False,
    optional: bool = False,
) -> None:
    """Checks one number of a config or of a call.

    True, False, NaN, the infinities and strings such as "3" do not count as numbers.

    Args:
        name: the name of the setting in the error message.
        value: the value to check.
        low, high: the bounds, which are allowed values themselves. `high` is None if there is no upper bound.
        whole: whether the value must be an int; a float such as 2.0 is then refused.
        above: whether `low` itself is refused.
        below: whether `high` itself is refused.
        optional: whether None is allowed too.

    Raises:
        InvalidValueError: `value` is not such a number.

    Example:
        check_number("top_p", 0, 0, 1, above=True)  # top_p must be a number above 0 and at most 1, got 0
    """
    if value is None and optional:
        return
    is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    number = value if is_number and isinstance(value, (int, float)) else math.nan
    # false for NaN, for which every comparison is false
    is_number = abs(number) <= sys.float_info.max
    enough = is_number and (number > low if above else number >= low)
    if enough and (high is None or (number < high if below else number <= high)):
        return
    kind = "a whole number" if whole else "a number" if high is not None else "a finite number"
    if high is None:
        bounds = f"above {low}" if above else f"{low} or more"
        expected = bounds if is_number else f"{kind}, {bounds}"
    elif above:
        expected = f"{kind} above {low} and {'below' if below else 'at most'} {high}"
    else:
        expected = f"{kind} from {low} {'up to (not including)' if below else 'to'} {high}"
    raise InvalidValueError(f"{name} must be {expected}, got {quoted(value)}")


def check_variables(bounds: Mapping[str, tuple[int, int]]) -> None:
    """Checks environment variables that a library reads as whole numbers, before it fails on one of them.

    Args:
        bounds: the smallest and the largest allowed value for each name.

    Raises:
        InvalidValueError: a variable is set, but not to such a number.
    """
    for name, (low, high) in bounds.items():
        text = os.environ.get(name)
        if text is not None:
            try:
                value: int | str = int(text)
            except ValueError:
                value = text
            check_number(f"the environment variable {name}", value, low, high, whole=True)


def unusable_variables(library: str, error: Exception, *prefixes: str) -> InvalidValueError:
    """The error for a library that fails on the environment variables whose names begin with a prefix."""
    names = ", ".join(sorted(name for name in os.environ if name.startswith(prefixes)))
    return InvalidValueError(
        f"{library} cannot use its environment variables ({error}); correct or unset {names}"
    )


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Makes the main function of a command line return an exit status, on any terminal.

    An error is printed as one sentence, also that a library of one of the package's extras is missing.

    Args:
        main: the function. It may return a status other than 0.

    Returns:
        The function, which returns that status, or 2 after a PoetError or an error of the system, or 130
        (128 + SIGINT) after Ctrl-C; see `terminal.on_any_terminal` for the others.
    """

    @functools.wraps(main)
    def run(*arguments: object, **options: object) -> int:
        try:
            return main(*arguments, **options) or 0
        except PoetError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except ModuleNotFoundError as error:
            module = error.name or ""
            if not (how := how_to_install(module)):
                raise
            print(f"error: this command needs {module}, which is not installed; {how}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130

    return on_any_terminal(run)
