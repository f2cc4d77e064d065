"""Measures what form, tones and rhyme cost, in log-probability by the model itself and in time.

    python benchmarks/constraints.py --output benchmarks/results/constraints.json

Poems under these constraints are compared with poems that have only a form, and with real poems.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from common import ROOT, finish, show

from poet_model import PoetModel, prosody
from poet_model.corpus.prepare import load_corpus
from poet_model.errors import command
from poet_model.generation.decoding import decode
from poet_model.generation.filters import filters_of
from poet_model.generation.request import Request
from poet_model.machine import machine

POEMS = 200  # per form and set of options
OPTIONS = {
    "form alone": {},
    "tones": {"tones": True},
    "tones and rhyme": {"tones": True, "rhyme": True},
    "and the best of 8 lines": {"tones": True, "rhyme": True, "best_of": 8},
}
BARS = {"mean": 0.35, "rhyme_words": 0.8}  # at most, in nats, below "form alone" and below real poems
SECONDS = {"七律": 1.5, "五絕": 0.4}  # at most, for one poem with the best of 8 lines
MASKS = 0.05  # at most, as a share of the time of decoding


def means(scored: list[tuple[str, list[float]]]) -> dict[str, float]:
    """The mean log-probability of all hanzi, and of the rhyme words at the ends of the even lines.

    Args:
        scored: (text, log-probability of each character) of each poem.
    """
    hanzi, words = [], []
    for text, log_probs in scored:
        for i, character in enumerate(text):
            if character not in prosody.LINE_ENDS:
                hanzi.append(log_probs[i])
                if text[i + 1] == "。":
                    words.append(log_probs[i])
    return {"mean": round(statistics.fmean(hanzi), 3), "rhyme_words": round(statistics.fmean(words), 3)}


@torch.inference_mode()
def log_probs(model: PoetModel, text: str, form: str) -> list[float]:
    """The log-probability of each character of a real poem, with the form in the header."""
    ids = torch.tensor([model.tokenizer.encode_poem(text, form=form)])
    first = len(model.tokenizer.encode_header(form=form))
    scores = model(ids)[0][0].log_softmax(dim=1)[first - 1 : -2]
    return scores.gather(1, ids[0, first:-1, None])[:, 0].tolist()


def time_alone(model: PoetModel, options: dict, poems: int = 10) -> tuple[float, float]:
    """The median seconds for one poem, and the median share of them spent on masks, look-ahead included."""
    times, shares, in_masks = [], [], 0.0

    def timed(rule):
        def call(*arguments):
            nonlocal in_masks
            started = time.perf_counter()
            rule(*arguments)
            in_masks += time.perf_counter() - started

        return call

    masks = model.vocabulary_masks
    for seed in (poems, *range(poems)):  # the first is a warm-up
        in_masks, started = 0.0, time.perf_counter()
        request = Request.make(masks, model.generation_config, seed=seed, **options)
        for _ in decode(
            model.stepper(), masks, request, filters=list(map(timed, filters_of(request, masks)))
        ):
            pass
        times.append(time.perf_counter() - started)
        shares.append(in_masks / times[-1])
    del times[0], shares[0]
    return round(statistics.median(times), 3), round(statistics.median(shares), 4)


def measure(model: PoetModel, real: list) -> dict:
    """The section `forms` of the results."""
    forms = {}
    for form in prosody.FORMS:
        texts = [poem.text for poem in real if poem.form == form and prosody.scan(poem.text).is_regular]
        results = {
            "real poems": means([(text, log_probs(model, text, form)) for text in texts])
            | {"poems": len(texts)}
        }
        for name, options in OPTIONS.items():
            started = time.perf_counter()
            poems = model.generate(form=form, num_poems=POEMS, seed=0, **options)
            seconds = time.perf_counter() - started
            reports = [prosody.scan(poem.text) for poem in poems]
            results[name] = means([(poem.text, poem.log_probs) for poem in poems]) | {
                "poems": POEMS,
                "form": sum(report.form == form for report in reports),
                "L1": sum(report.level <= prosody.L1 for report in reports),
                "rhyme": sum(report.rhyme.status == "平" for report in reports),
                "seconds_a_poem_in_a_batch": round(seconds / POEMS, 4),
            }
        poems = model.generate(form=form, num_poems=POEMS, seed=0, tones=True, rhyme=True, look_ahead=False)
        results["without looking ahead"] = means([(poem.text, poem.log_probs) for poem in poems]) | {
            "poems": POEMS
        }
        for name, best_of in (("alone", 1), ("alone_best_of_8", 8)):
            options = {"form": form, "tones": True, "rhyme": True, "best_of": best_of}
            results[f"seconds_{name}"], results[f"masks_{name}"] = time_alone(model, options)
        forms[form] = results
    return forms


@command
def main() -> None:
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "assets" / "tang-lstm"))
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    splits = load_corpus("tang").splits
    forms = measure(PoetModel.from_pretrained(options.model), splits["valid"] + splits["test"])
    rows = []
    for form, results in forms.items():
        for name in ("real poems", *OPTIONS, "without looking ahead"):
            part = results[name]
            kept = [str(part.get(key, "")) for key in ("form", "L1", "rhyme")]
            log_p = (f"{part[key]:.2f}" for key in ("mean", "rhyme_words"))
            rows.append([form, name, str(part["poems"]), *log_p, *kept])
    columns = ["form", "poems", "number", "log p per hanzi", "at rhyme words", "form", "L1", "rhyme"]
    show("log-probabilities by the model itself, nats", columns, rows)
    for form, results in forms.items():
        both = results["tones and rhyme"]
        mean = results["form alone"]["mean"] - both["mean"]
        words = results["real poems"]["rhyme_words"] - both["rhyme_words"]
        print(
            f"{form}: {mean:.2f} nats below form alone (goal: at most {BARS['mean']}); "
            f"{words:.2f} below real poems at rhyme words (goal: at most {BARS['rhyme_words']})"
        )
        for name, label in (("alone", ""), ("alone_best_of_8", ", best of 8 lines")):
            goal = f" (goal: at most {SECONDS[form]} s)" if label and form in SECONDS else ""
            print(
                f"  one poem{label}: {results[f'seconds_{name}']:.2f} s{goal}, masks "
                f"{results[f'masks_{name}']:.1%} (goal: at most {MASKS:.0%})"
            )
    finish({"benchmark": "constraints", "machine": machine(), "forms": forms}, options.output)


if __name__ == "__main__":
    sys.exit(main())
