"""The errors a user can meet. Each message says what was given, what was expected and what to do."""

from __future__ import annotations


class PoetError(Exception):
    """Any mistake that the person calling can mend; everything else is a bug of ours.

    Attributes:
        chinese: the message in Chinese, if a reader of the page can meet it; else empty.
    """

    def __init__(self, message: str = "", *, chinese: str = ""):
        super().__init__(message)
        self.chinese = chinese


class InvalidValueError(PoetError, ValueError):
    """An argument or a setting is outside what is possible."""


class UnknownCharacterError(PoetError, ValueError):
    """A character that the model has never seen was asked for.

    Attributes:
        character: the character that is not in the vocabulary.
        suggestions: at most five characters that are.
    """

    def __init__(self, character: str, suggestions: list[str]):
        self.character = character
        self.suggestions = suggestions[:5]
        quoted = "".join(f"「{suggestion}」" for suggestion in self.suggestions)
        super().__init__(
            f"{character!r} is not among the characters this model knows; "
            f"try one of these instead: {' '.join(self.suggestions)}",
            chinese=f"這個模型沒學過「{character}」，不妨試試{quoted}。",
        )

    def __reduce__(self):  # so that it comes through from another process
        return type(self), (self.character, self.suggestions)


class CorpusError(PoetError, ValueError):
    """A corpus cannot be found, read, or holds no poems."""


class CheckpointError(PoetError, OSError):
    """A model folder is missing, incomplete, damaged, or of another kind."""


class HubError(PoetError, OSError):
    """The Hub could not give, or did not take, what was asked for."""
