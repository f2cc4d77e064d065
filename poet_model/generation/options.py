"""The options of poem generation: GenerationConfig, saved with a model, and Options, given for each poem."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

from ..errors import CheckpointError, InvalidValueError, check_number, quoted
from ..files import MAX_CONFIG_BYTES, read_json, write_text
from ..model_folder import GENERATION_CONFIG_NAME
from ..novelty.index import NoveltyIndex

# Keys that transformers may write into generation_config.json. They are ignored: ids come from the tokenizer.
_IDS = [f"{name}_token_id" for name in ("pad", "bos", "sep", "eos")]
_OF_TRANSFORMERS = ("transformers_version", "_from_model_config", "use_cache", *_IDS)


class Options(TypedDict, total=False):
    """The options of `generate` and `stream`, all of which are optional.

    Defaults are given in parentheses where they are not empty. The last options, from the temperature on,
    override the settings of the model's GenerationConfig.
    """

    # 五絕, 七絕, 五律 or 七律, or a long name such as 五言絕句; guaranteed, unless impose_form=False and no
    # other option needs the form
    form: str
    author: str  # the poet whose style the poem imitates
    title: str  # the title, and so the topic
    impose_form: bool  # False: the form is only given to the model in the header, not enforced (True)
    tones: bool | str  # True: 平仄 by one of the four templates, at level L1; or "L0", "L1", "L2" (False)
    template: str  # "T1" to "T4" of prosody.Template, with tones; by default the model chooses
    rhyme: bool | str  # True, or a group of 平水韻 such as "東" or "一東" (False)
    acrostic: str  # 藏頭: 2 to 8 characters that the lines begin with
    telestich: str  # 藏尾: 2 to 8 characters that the lines end with
    # 1 to 4 words that stand in the poem, each whole in one line; as text, such as "明月 酒", or as a list
    keywords: str | Sequence[str]
    # True: no line of five characters or more may occur in a poem of the corpus. That needs an index, made by
    # `python -m poet_model.novelty build`. A NoveltyIndex does the same for the poems in it. (False)
    original: bool | NoveltyIndex
    # no even line ends as the first or another even line does (重韻), even if they need not rhyme (True)
    distinct_rhymes: bool
    # 對仗: the second line of each middle couplet of a 五律 or 七律 repeats no character of the first, and is
    # led to be parallel to it (False)
    parallel: bool
    # candidates for each line, one of which is then sampled by its probability; needs a form (1)
    best_of: int
    look_ahead: bool  # reweight the character before a rhyme word by how well a rhyme can follow (True)
    seed: int | None  # the same seed gives the same poem (a random seed for each call)
    temperature: float
    top_k: int
    top_p: float
    max_length: int
    frequency_penalty: float
    min_p: float
    typical_p: float
    mmi_lambda: float
    guidance_scale: float


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
    "keywords": "",
    "original": False,
    "distinct_rhymes": True,
    "parallel": False,
    "best_of": 1,
    "look_ahead": True,
    "seed": None,
}


# the values with which these settings change nothing
NEUTRAL: dict[str, Any] = {
    **{name: 0 for name in ("top_k", "min_p", "frequency_penalty", "mmi_lambda")},
    **{name: 1 for name in ("top_p", "typical_p", "guidance_scale")},
}


@dataclass(frozen=True)
class GenerationConfig:
    """The sampling settings of a model. The defaults are the choice of benchmarks/sampling.py.

    Args:
        temperature: the logits are divided by it; 0 always takes the likeliest character.
        top_k: characters are sampled from the k likeliest only; 0 means all.
        top_p: characters are sampled from the likeliest only, as many as together have at least this
            probability.
        max_length: without an imposed form, a poem that has reached this many characters ends with its
            current line.
        frequency_penalty: nats subtracted from the logit of a character for each of its occurrences in the
            poem, against repetition. A character may be doubled (叠字, as in 青青) without a penalty. With
            the default, the shipped model repeats about one character per poem, as real poems do; with 0 it
            repeats several.
        min_p: characters are sampled only from those with at least this share of the probability of the
            likeliest (min-p sampling, Nguyen et al. 2024); 0 allows all.
        typical_p: characters are sampled only from those whose surprisal is closest to its mean, the entropy,
            as many as together have at least this probability (locally typical sampling, Meister et al.
            2022); 1 allows all.
        mmi_lambda: λ of maximum mutual information (Li et al. 2016). With `best_of`, a candidate for a line
            loses λ times the log-probability that it has in its place of an unknown poem. So lines that would
            fit any poem are drawn less often; 0 draws lines by their probability in the poem.
        guidance_scale: how much the title counts. The logits are `without + scale * (with - without)`, of the
            header with and without the title (classifier-free guidance; named and defined as in
            transformers). 1 is the model as it is; above 1, poems keep more closely to their titles, and
            every step runs the model twice.

    The temperature acts first, then top_k, top_p, min_p and typical_p, each on what the one before has left;
    this is the order of transformers. The rules and the penalty of a poem come before all of them.

    Raises:
        InvalidValueError: a value has the wrong type or is out of range.

    Example:
        >>> GenerationConfig(temperature=0.7).top_p
        0.9
        >>> GenerationConfig(top_p=0)
        Traceback (most recent call last):
        poet_model.errors.InvalidValueError: top_p must be a number above 0 and at most 1, got 0
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.9
    max_length: int = 128
    frequency_penalty: float = 1.5
    min_p: float = 0.0
    typical_p: float = 1.0
    mmi_lambda: float = 0.5
    guidance_scale: float = 2.0

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0, 100)
        check_number("top_k", self.top_k, 0, whole=True)
        check_number("top_p", self.top_p, 0, 1, above=True)
        check_number("frequency_penalty", self.frequency_penalty, 0, 100)
        check_number("guidance_scale", self.guidance_scale, 0, 100)
        check_number("max_length", self.max_length, 1, 4096, whole=True)
        check_number("min_p", self.min_p, 0, 1)
        check_number("typical_p", self.typical_p, 0, 1, above=True)
        check_number("mmi_lambda", self.mmi_lambda, 0, 1)

    def effective(self) -> dict[str, float]:
        """The settings without those that change nothing, such as a `top_k` of 0."""
        return {name: value for name, value in asdict(self).items() if value != NEUTRAL.get(name)}

    def save(self, folder: Path, more: dict[str, Any] | None = None) -> None:
        """Writes `generation_config.json` into `folder`; `more` holds extra keys for other libraries."""
        text = json.dumps((more or {}) | asdict(self), indent=2)
        write_text(Path(folder) / GENERATION_CONFIG_NAME, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> GenerationConfig:
        """Reads `generation_config.json` from `folder`, or returns the defaults if there is no such file.

        Raises:
            CheckpointError: the file is damaged or holds an invalid setting.
        """
        path = Path(folder) / GENERATION_CONFIG_NAME
        if not os.path.lexists(path):
            return cls()
        record = read_json(path, dict, limit=MAX_CONFIG_BYTES)
        for name in _OF_TRANSFORMERS:
            record.pop(name, None)
        if record.pop("do_sample", True) is not True:
            raise CheckpointError(
                f"{path}: do_sample must be true; for the likeliest characters set temperature to 0"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(record.keys() - known):
            raise CheckpointError(
                f"{path}: unknown settings {quoted(unknown)}; the settings are {sorted(known)}"
            )
        try:
            return cls(**record)
        except InvalidValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
