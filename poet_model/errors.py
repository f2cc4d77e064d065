"""The errors a user can meet. Each message says what was given, what was expected and what to do."""

from __future__ import annotations


class PoetError(Exception):
    """Any mistake that the person calling can mend; everything else is a bug of ours."""


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
        super().__init__(
            f"{character!r} is not among the characters this model knows; "
            f"try one of these instead: {' '.join(self.suggestions)}"
        )


class CorpusError(PoetError, ValueError):
    """A corpus cannot be found, read, or holds no poems."""


class CheckpointError(PoetError, OSError):
    """A model folder is missing, incomplete, damaged, or of another kind."""


class HubError(PoetError, OSError):
    """The Hub could not give, or did not take, what was asked for."""
