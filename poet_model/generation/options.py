"""What can be asked of a poem: GenerationConfig, saved with a model, and Options, given for each poem."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypedDict

from ..errors import CheckpointError, InvalidValueError, check_number
from ..files import read_json, write_text
from ..model_folder import GENERATION_CONFIG_NAME
from ..novelty.index import NoveltyIndex

# what transformers may note in a generation_config.json; our ids are those of the tokenizer
_IDS = [f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")]
_OF_TRANSFORMERS = ("transformers_version", "_from_model_config", "use_cache", *_IDS)


class Options(TypedDict, total=False):
    """The options of `generate` and `stream`; all may be left out.

    The last five are the settings of GenerationConfig: without them those of the model hold.
    """

    # 五絕 七絕 五律 七律: number and length of the lines are then guaranteed, unless impose_form=False
    form: str
    author: str  # in whose manner it is written
    title: str  # what it is about
    impose_form: bool  # False: the form stands in the header alone, and the model does as it likes (True)
    tones: bool | str  # True: 平仄 by one of the four templates, at level L1; or "L0", "L1", "L2" (False)
    template: str  # which of them, "T1" to "T4" of prosody.Template; without it the model chooses
    rhyme: bool | str  # True, or a group of 平水韻 such as "東" or "一東" (False)
    acrostic: str  # 藏頭: 2 to 8 characters that the lines begin with
    telestich: str  # 藏尾: 2 to 8 characters that the lines end with
    # True: no line of five characters or more may stand in a poem of the corpus (of which there must be an
    # index: `python -m poet_model.novelty build`); or a NoveltyIndex of other poems (False)
    original: bool | NoveltyIndex
    best_of: int  # candidates written of each line (with a form only), the likelier ones are taken (1)
    look_ahead: bool  # weigh the character before a rhyme word by what may follow it (True)
    seed: int | None  # the same seed writes the same poem (drawn anew for each call)
    temperature: float
    top_k: int
    top_p: float
    max_length: int
    frequency_penalty: float


DEFAULTS: Options = {
    "form": "",
    "author": "",
    "title": "",
    "impose_form": True,
    "tones": False,
    "template": "",
    "rhyme": False,
    "acrostic": "",
    "telestich": "",
    "original": False,
    "best_of": 1,
    "look_ahead": True,
    "seed": None,
}


@dataclass(frozen=True)
class GenerationConfig:
    """How characters are chosen.

    Args:
        temperature: logits are divided by it; 0 takes the likeliest character every time.
        top_k: only the k likeliest characters are drawn from; 0 means all.
        top_p: only the likeliest characters that together have at least this probability are drawn from.
        max_length: after this many characters the poem ends with the line it is in.
        frequency_penalty: nats that a character loses for each time the poem has it already, against
            repetition; not right behind itself (叠字, as in 青青). With the default the shipped model repeats
            about one character a poem, as real poems do; without it, it repeats several.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 1.0
    max_length: int = 128
    frequency_penalty: float = 1.5

    def __post_init__(self):
        check_number("temperature", self.temperature, 0, 100)
        check_number("top_k", self.top_k, 0, whole=True)
        check_number("top_p", self.top_p, 0, 1, above=True)
        check_number("frequency_penalty", self.frequency_penalty, 0, 100)
        check_number("max_length", self.max_length, 1, 4096, whole=True)

    def save(self, folder: Path, more: dict | None = None) -> None:
        """Writes `generation_config.json` into `folder`, with `more` keys for other libraries."""
        text = json.dumps((more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / GENERATION_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> GenerationConfig:
        """Reads `generation_config.json` from `folder`; without that file the defaults hold."""
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not os.path.lexists(path):
            return cls()
        record = read_json(path, dict)
        for name in _OF_TRANSFORMERS:
            record.pop(name, None)
        if record.pop("do_sample", True) is not True:
            raise CheckpointError(
                f"{path}: do_sample must be true here; for the likeliest poem take temperature 0"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(f"{path}: unknown settings {unknown[:5]}; known are {sorted(known)}")
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
