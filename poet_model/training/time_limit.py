"""TimeLimit: how much of the time limit of a training has passed. It knows nothing about what is trained."""

from __future__ import annotations

_SAFETY = 1.25  # a token of validation takes at most this many times as long as one of training, as measured


class TimeLimit:
    """The share of the time limit that has passed, with time kept back for the last validation.

    Args:
        minutes: the limit; None for no limit.
        validation_tokens: about how many tokens a validation reads, from which its time is estimated until
            one has been measured.
    """

    def __init__(self, minutes: float | None, validation_tokens: int = 0):
        self.seconds: float | None = 60 * minutes if minutes else None
        self.validation_tokens = validation_tokens
        self._measured = 0.0

    def validation_took(self, seconds: float) -> None:
        """Replaces the estimate by the time that a validation took."""
        self._measured = seconds

    def share(self, seconds: float, tokens: float) -> float:
        """The share that has passed (1 or more: the limit is reached); 0 without a limit.

        Args:
            seconds: the time that the training has taken so far.
            tokens: the number of tokens trained on in this time.
        """
        if self.seconds is None:
            return 0.0
        estimate = _SAFETY * self.validation_tokens * seconds / tokens if tokens else 0.0
        kept_back = min(self._measured or estimate, self.seconds / 2)
        return seconds / (self.seconds - kept_back)
