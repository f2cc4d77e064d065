"""How the minutes that are left are divided: start-up, training, evaluations, the end. Starts no process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from offline_contents import Bundle
from offline_findings import last_of

from poet_model.errors import InvalidValueError

SHARE = 0.55  # of the training time for the first of two stages
EVALUATIONS = 20  # per stage, if evaluations take only a small part of its time
EVALUATING = 0.15  # the largest share of a stage's time that evaluations may take
LOG_LINES = 200  # a stage
MANY_EPOCHS = 1000  # so that time ends a stage
POEMS = 10  # at the end
SAMPLES = 3  # poems that train.py writes each time it saves


@dataclass
class Plan:
    """How many seconds each part of a run takes on this machine, estimated from the preflight.

    Attributes:
        stages: the corpora of each stage, in order.
        characters: of each corpus.
        end: the value of time.monotonic() by which everything must be finished.
        importing: seconds before anything is read.
        reading: seconds a character of a corpus.
        evaluation: seconds for validating and saving once.
        reserve: for unpacking and measuring at the end.
    """

    stages: dict[str, tuple[str, ...]]
    characters: dict[str, int]
    end: float
    importing: float
    reading: float
    evaluation: float
    reserve: float

    @classmethod
    def of(cls, findings: list[dict], bundle: Bundle, stages: dict[str, tuple[str, ...]], end: float) -> Plan:
        """Plans from the findings of a preflight; assumes slow values for what is missing."""
        loaded = last_of(findings, "loaded", {"import_seconds": 15.0, "load_seconds": 10.0})
        slow = {"scored_tokens_per_second": 2000, "poem_seconds": 1.0, "save_seconds": 1.0}
        writing = last_of(findings, "writing", slow)
        characters = {name: bundle.characters(name) for name in bundle.manifest["corpora"]}
        valid = (
            bundle.manifest["corpora"]["tang"]["characters"]["valid"] / writing["scored_tokens_per_second"]
        )
        test = bundle.manifest["tangshi_gpt_characters"] / writing["scored_tokens_per_second"]
        importing = loaded["import_seconds"] + 2  # train.py imports more than the probe
        reading = 2 * loaded["load_seconds"] / characters["tang"]  # doubled: train.py also counts and reports
        return cls(
            stages=stages,
            characters=characters,
            end=end,
            importing=importing,
            reading=reading,
            evaluation=valid + writing["save_seconds"] + SAMPLES * writing["poem_seconds"],
            reserve=3 + importing + 1.3 * (valid + test + POEMS * writing["poem_seconds"]),
        )

    def start_up(self, corpora: tuple[str, ...]) -> float:
        """Seconds from the start of a training to its first step."""
        return self.importing + self.reading * sum(self.characters[name] for name in corpora)

    def learn(self, corpora: tuple[str, ...], seconds: float) -> None:
        """Replaces the estimate by how long a start-up really took, so that the next estimate is better."""
        read = sum(self.characters[name] for name in corpora)
        self.reading = max(0.0, seconds - self.importing) / read

    def check(self, minutes: float) -> None:
        """Raises InvalidValueError if not even the last stage could train for a moment."""
        name, corpora = list(self.stages.items())[-1]
        needed = self.start_up(corpora) + 2 * self.evaluation + self.reserve
        if (missing := needed - (self.end - time.monotonic())) > 0:
            raise InvalidValueError(
                f"--minutes {minutes:g} leaves no time to train here: starting stage {name} and finishing "
                f"take {needed:.0f} seconds; give {minutes + missing / 60 + 1:.0f} or more"
            )

    def share(self, stage: str) -> tuple[float, float]:
        """For a stage that starts now: seconds of training, and when it must be over (time.monotonic())."""
        following = list(self.stages)[list(self.stages).index(stage) :]
        until = self.end - self.reserve
        extra = {name: self.start_up(self.stages[name]) + self.evaluation for name in following}
        left = until - time.monotonic() - sum(extra.values())
        if len(following) == 1:
            return left, until
        seconds = SHARE * left
        # a stage may overrun by at most half the time of the next one
        return seconds, time.monotonic() + extra[stage] + seconds + (left - seconds) / 2

    def rhythm(self, seconds: float, choice: dict) -> dict:
        """Settings of TrainingConfig for a stage that lasts `seconds`; those in its preset take precedence.

        Args:
            choice: the trial that was taken, for its `steps_per_second`.
        """
        steps = max(1.0, seconds * choice["steps_per_second"])
        evaluations = max(1, min(EVALUATIONS, int(EVALUATING * seconds / self.evaluation)))
        every = max(1, int(steps * (1 - EVALUATING) / evaluations))
        return {
            "epochs": MANY_EPOCHS,
            "eval_every": every,
            "checkpoint_every": every,
            "log_every": max(1, int(steps / LOG_LINES)),
        }
