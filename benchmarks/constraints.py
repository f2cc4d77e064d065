"""What form, tones and rhyme cost: poems with them beside others and real ones, by the model's own judgement.

python benchmarks/constraints.py --output benchmarks/results/constraints.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from common import ROOT, finish, show

from poet_model import PoetModel, prosody
from poet_model.corpus.prepare import load_corpus
from poet_model.generation.decoding import decode
from poet_model.generation.filters import filters_of
from poet_model.generation.request import Request
from poet_model.machine import machine

POEMS = 200
ASKED = {
    "form alone": {},
    "tones": {"tones": True},
    "tones and rhyme": {"tones": True, "rhyme": True},
    "and the best of 8 lines": {"tones": True, "rhyme": True, "best_of": 8},
}
BARS = {"mean": 0.35, "rhyme_words": 0.8}  # nats under form alone; under real poems
SECONDS = {"七律": 1.5, "五絕": 0.4}  # for one poem, the best of 8 lines
MASKS = 0.05  # of the time of decoding


def means(scored: list[tuple[str, list[float]]]) -> dict[str, float]:
    """Mean log-probability of a hanzi, and of those at the end of the even lines."""
    hanzi, words = [], []
    for text, log_probs in scored:
        for place, character in enumerate(text):
            if character not in prosody.LINE_ENDS:
                hanzi.append(log_probs[place])
                if text[place + 1] == "。":
                    words.append(log_probs[place])
    return {"mean": round(statistics.fmean(hanzi), 3), "rhyme_words": round(statistics.fmean(words), 3)}


@torch.inference_mode()
def log_probs(model: PoetModel, text: str, form: str) -> list[float]:
    """What the model gives each character of a real poem, the form in its header."""
    ids = torch.tensor([model.tokenizer.encode_poem(text, form=form)])
    first = len(model.tokenizer.encode_header(form=form))
    scores = model(ids)[0][0].log_softmax(dim=1)[first - 1 : -2]
    return scores.gather(1, ids[0, first:-1, None])[:, 0].tolist()


def time_alone(model: PoetModel, asked: dict, poems: int = 10) -> tuple[float, float]:
    """Median seconds for one poem, and the median share that masks take, those of looking ahead included."""
    times, shares, in_masks = [], [], 0.0

    def timed(rule):
        def call(*arguments):
            nonlocal in_masks
            started = time.perf_counter()
            rule(*arguments)
            in_masks += time.perf_counter() - started

        return call

    masks = model.vocabulary_masks
    for seed in (poems, *range(poems)):  # the first warms up
        in_masks, started = 0.0, time.perf_counter()
        request = Request.make(masks, model.generation_config, seed=seed, **asked)
        for _ in decode(
            model.stepper(), masks, request, filters=list(map(timed, filters_of(request, masks)))
        ):
            pass
        times.append(time.perf_counter() - started)
        shares.append(in_masks / times[-1])
    del times[0], shares[0]
    return round(statistics.median(times), 3), round(statistics.median(shares), 4)


def measure(model: PoetModel, real: list) -> dict:
    """The record's forms."""
    forms = {}
    for form in prosody.FORMS:
        texts = [poem.text for poem in real if poem.form == form and prosody.scan(poem.text).is_regular]
        found = {
            "real poems": means([(text, log_probs(model, text, form)) for text in texts])
            | {"poems": len(texts)}
        }
        for name, asked in ASKED.items():
            started = time.perf_counter()
            poems = model.generate(form=form, num_poems=POEMS, seed=0, **asked)
            seconds = time.perf_counter() - started
            reports = [prosody.scan(poem.text) for poem in poems]
            found[name] = means([(poem.text, poem.log_probs) for poem in poems]) | {
                "poems": POEMS,
                "form": sum(report.form == form for report in reports),
                "L1": sum(report.level <= prosody.L1 for report in reports),
                "rhyme": sum(report.rhyme.status == "平" for report in reports),
                "seconds_a_poem_in_a_batch": round(seconds / POEMS, 4),
            }
        poems = model.generate(form=form, num_poems=POEMS, seed=0, tones=True, rhyme=True, look_ahead=False)
        found["without looking ahead"] = means([(poem.text, poem.log_probs) for poem in poems]) | {
            "poems": POEMS
        }
        for name, best_of in (("alone", 1), ("alone_best_of_8", 8)):
            asked = {"form": form, "tones": True, "rhyme": True, "best_of": best_of}
            found[f"seconds_{name}"], found[f"masks_{name}"] = time_alone(model, asked)
        forms[form] = found
    return forms


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "assets" / "tang-lstm"))
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    splits = load_corpus("tang").splits
    forms = measure(PoetModel.from_pretrained(options.model), splits["valid"] + splits["test"])
    rows = []
    for form, found in forms.items():
        for name in ("real poems", *ASKED, "without looking ahead"):
            part = found[name]
            kept = [str(part.get(key, "")) for key in ("form", "L1", "rhyme")]
            figures = (f"{part[key]:.2f}" for key in ("mean", "rhyme_words"))
            rows.append([form, name, str(part["poems"]), *figures, *kept])
    columns = ["form", "poems", "number", "log p a hanzi", "at rhyme words", "form", "L1", "rhyme"]
    show("by the model's own probabilities, nats", columns, rows)
    for form, found in forms.items():
        both = found["tones and rhyme"]
        mean = found["form alone"]["mean"] - both["mean"]
        words = found["real poems"]["rhyme_words"] - both["rhyme_words"]
        print(
            f"{form}: {mean:.2f} nats under form alone (bar {BARS['mean']}), {words:.2f} at rhyme words "
            f"under real poems (bar {BARS['rhyme_words']})"
        )
        for name, label in (("alone", ""), ("alone_best_of_8", ", best of 8 lines")):
            bar = f" (bar {SECONDS[form]} s)" if label and form in SECONDS else ""
            print(
                f"  one poem{label}: {found[f'seconds_{name}']:.2f} s{bar}, masks "
                f"{found[f'masks_{name}']:.1%} (bar {MASKS:.0%})"
            )
    finish({"benchmark": "constraints", "machine": machine(), "forms": forms}, options.output)


if __name__ == "__main__":
    main()
