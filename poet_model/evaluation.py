"""Held-out perplexity and the shape of unguided poems, with the token set of every figure stated.

python -m poet_model.evaluation MODEL measures a model folder again and writes its metrics.json and card.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from . import sources
from .batches import IGNORE, PoemBatches
from .card import read_metrics, write_card
from .corpus import Corpus, CorpusReport, PoemRecord, load_corpus
from .errors import CorpusError, PoetError
from .files import read_json, write_text
from .hub import METRICS_NAME
from .prosody import FORMS, has_equal_lines
from .tokenizer import EOS, UNK

REPORT_NAME = "corpus_report.json"
UNKNOWN_CHOICES = 20_000  # CJK characters outside any vocabulary here: what an unknown one is a choice among
WHOLE = 1 << 30  # a length that no poem reaches
NUM_POEMS = 100


@dataclass(frozen=True)
class Score:
    """Negative log-likelihood of some tokens: `nats` in all, over `tokens`; of hanzi alone beside it."""

    nats: float
    tokens: int
    hanzi_nats: float
    hanzi: int

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / max(1, self.tokens)

    @property
    def perplexity(self) -> float:
        """exp(nats a token)."""
        return math.exp(self.loss)

    def record(self) -> dict:
        """The figures to publish."""
        return {
            "perplexity": round(self.perplexity, 3),
            "hanzi_perplexity": round(math.exp(self.hanzi_nats / max(1, self.hanzi)), 3),
            "loss": round(self.loss, 5),
            "tokens": self.tokens,
            "hanzi": self.hanzi,
        }


@torch.inference_mode()
def score(model, poems: Sequence[PoemRecord], *, with_title: bool = False, max_tokens: int = 8192) -> Score:
    """Scores poems whole: the poem and `<eos>`, after the header that the records have.

    An unknown character costs its `<unk>` and a uniform choice among 20,000 characters, so that a small
    vocabulary never flatters.

    Args:
        with_title: whether the title and its `<sep>` count too.
        max_tokens: of a batch.
    """
    device = model.embedding.weight.device
    batches = PoemBatches(
        poems,
        model.tokenizer,
        max_tokens=max_tokens,
        max_length=WHOLE,
        score_title=with_title,
        device=device,
    )
    ends = torch.tensor(
        [model.tokenizer.ids[c] for c in "，。" if c in model.tokenizer] + [EOS], device=device
    )
    nats = hanzi_nats = 0.0
    tokens = hanzi = 0
    for inputs, targets in batches.epoch(0):
        states, _ = model.hidden_states(inputs)
        targets = targets.flatten()
        scored = targets != IGNORE
        targets = targets[scored]
        losses = F.cross_entropy(
            model.project(states.flatten(0, 1)[scored]).float(), targets, reduction="none"
        )
        losses = losses.double() + (targets == UNK) * math.log(UNKNOWN_CHOICES)
        of_hanzi = ~torch.isin(targets, ends)
        nats, tokens = nats + losses.sum().item(), tokens + len(targets)
        hanzi_nats, hanzi = hanzi_nats + losses[of_hanzi].sum().item(), hanzi + int(of_hanzi.sum())
    return Score(nats, tokens, hanzi_nats, hanzi)


def without_header(poems: Sequence[PoemRecord]) -> list[PoemRecord]:
    """The same poems with empty title, author and form."""
    return [replace(poem, title="", author="", form="") for poem in poems]


def tangshi_gpt(model, path: str | Path) -> dict:
    """Perplexity by the protocol of tangshi-gpt (published: 48.64) on its test poems.

    Our nats over title, `<sep>`, poem and `<eos>`, form and author empty, divided by that project's own
    number of tokens: `<sos>` and line breaks, which it counts too, are determined by the rest. Every poem
    counts, whole and as it stands; the space in a title is our `，`.
    """
    raw = [poem for poem in sources.read_source(str(path)) if poem.text]
    poems = [PoemRecord(poem.text.replace("\n", ""), poem.title.replace(" ", "，")) for poem in raw]
    found = score(model, poems, with_title=True)
    tokens = sum(len(poem.title) + len(poem.text) + 3 for poem in raw)
    return {
        "perplexity": round(math.exp(found.nats / tokens), 3),
        "tokens": tokens,
        "our_tokens": found.tokens,
        "poems": len(raw),
    }


def shapes(model, num_poems: int = NUM_POEMS, temperature: float = 0.8, seed: int = 0) -> dict:
    """Of poems written with nothing imposed: how many have equal lines, how many keep a named form."""
    wishes = {"num_poems": num_poems, "temperature": temperature, "seed": seed}
    equal = sum(has_equal_lines(poem.text) for poem in model.generate(**wishes))
    kept = {
        form: sum(poem.form == form for poem in model.generate(form=form, impose_form=False, **wishes))
        for form in FORMS
    }
    settings = {"temperature": temperature, "top_k": model.generation_config.top_k, "first_seed": seed}
    return {
        "settings": settings,
        "free": {"poems": num_poems, "equal_lines": equal},
        "with_form": {"poems": num_poems * len(FORMS), "kept": sum(kept.values()), "by_form": kept},
    }


def machine() -> str:
    """This machine in a few words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}), {cores} cores"


def measure(model, corpus: Corpus, tangshi_gpt_file: str | Path | None = None) -> dict:
    """Every figure of the card that a model and its corpus give, as sections of metrics.json."""
    valid, test = corpus.splits["valid"], corpus.splits["test"]
    perplexity = {}
    if valid:
        perplexity["valid"] = score(model, without_header(valid)).record()
    if test:
        perplexity["test"] = score(model, without_header(test)).record()
        perplexity["test_with_header"] = score(model, test).record()
    if tangshi_gpt_file:
        perplexity["tangshi_gpt"] = tangshi_gpt(model, tangshi_gpt_file)
    config = model.config
    return {
        "model": {
            "parameters": model.num_parameters,
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
        },
        "perplexity": perplexity,
        "poems": shapes(model) | {"real_equal_lines": _percent(has_equal_lines(p.text) for p in test)},
        "measured_on": machine(),
    }


def _percent(flags) -> float | None:
    flags = list(flags)
    return round(100 * sum(flags) / len(flags), 1) if flags else None


def update_folder(folder: Path, measured: dict, **commands: str) -> dict:
    """Writes new figures over the old ones in metrics.json, with the commands for them, and the card."""
    metrics = read_metrics(folder) | measured | {"corpus": read_json(folder / REPORT_NAME, dict)}
    metrics["commands"] = metrics.get("commands", {}) | commands
    write_text(folder / METRICS_NAME, json.dumps(metrics, ensure_ascii=False, indent=2) + "\n")
    write_card(folder)
    return metrics


def check_same_corpus(folder: Path, report: CorpusReport) -> None:
    """Refuses to score a model on other poems than those kept out of its training.

    A poem's split depends on the poem alone: with the same poems held out, none has changed sides.
    """
    trained = read_json(folder / REPORT_NAME, dict).get("characters") or {}
    now, then = (
        {name: found.get(name) for name in ("valid", "test")} for found in (report.characters, trained)
    )
    if now != then:
        raise CorpusError(
            f"the splits are not those that {folder} was trained on ({now} characters, then {then}); "
            "give the --corpus and --exclude of its training"
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m poet_model.evaluation", description=__doc__.split("\n")[0]
    )
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("--corpus", default="tang", help="as in its training")
    parser.add_argument("--exclude", nargs="*", default=[], metavar="FILE", help="as in its training")
    parser.add_argument("--tangshi-gpt", type=Path, metavar="FILE", help="test_poems.json of that project")
    options = parser.parse_args(arguments)
    from .model import PoetModel

    try:
        model = PoetModel.from_pretrained(options.model)
        corpus = load_corpus(options.corpus, options.exclude)
        check_same_corpus(options.model, corpus.report)
        measured = measure(model, corpus, options.tangshi_gpt)
        given = arguments if arguments is not None else sys.argv[1:]
        command = command_line("python -m poet_model.evaluation", given)
        metrics = update_folder(options.model, measured, evaluation=command)
    except PoetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({name: metrics[name] for name in measured}, ensure_ascii=False, indent=2))
    return 0


def command_line(program: str, arguments: Sequence[str]) -> str:
    """A command as typed, but of paths outside the current folder the names only: the rest is local."""
    return " ".join([program, *map(_without_place, map(str, arguments))])


def _without_place(argument: str) -> str:
    if not os.path.isabs(argument) and not argument.startswith(".."):
        return argument
    relative = os.path.relpath(argument)
    return os.path.basename(relative) if relative.startswith("..") else relative


if __name__ == "__main__":
    sys.exit(main())
