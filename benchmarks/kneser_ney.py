"""Trains the Kneser-Ney 4-gram judge on Song and Tang poems, and measures its perplexity on held-out poems.

    python benchmarks/kneser_ney.py --tangshi-gpt test_poems.json

Other benchmarks take the judge from here.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import ROOT, finish, show

from poet_model.corpus import Corpus, PoemRecord, load_corpus
from poet_model.corpus.held_out import pick, read_held_out
from poet_model.corpus.sources import read_source
from poet_model.errors import command
from poet_model.evaluation.kneser_ney import KneserNey
from poet_model.machine import machine

MODEL = ROOT / "assets" / "tang-lstm"
CORPUS = "tang+song"  # near-copies of Tang's held-out poems are not in its training split
TITLE_END = "|"
FOUND_BEFORE = 116.2  # the design's figure for a 4-gram on tangshi-gpt's poems, trained on Tang alone


def split_as_trained() -> Corpus:
    """The Tang poems, with the shipped model's held-out poems in valid and test."""
    return pick(load_corpus("tang"), read_held_out(MODEL) or {})


def judge_poems(source: str, held_out: Sequence[str]) -> list[PoemRecord]:
    """The training poems of a corpus, without the texts in `held_out`."""
    texts = set(held_out)
    return [poem for poem in load_corpus(source).splits["train"] if poem.text not in texts]


def by_protocol(poems: Sequence[PoemRecord], path: Path) -> float:
    """The perplexity on tangshi-gpt's test poems, title first, as that project counts tokens."""
    model = KneserNey(f"{poem.title}{TITLE_END}{poem.text}" for poem in poems)
    raw = [(poem.text, poem.title) for poem in read_source(str(path)) if poem.text]
    texts = [f"{title.replace(' ', '，')}{TITLE_END}{text}".replace("\n", "") for text, title in raw]
    nats = -sum(values.sum() for values in model.log_probs(texts))
    return float(np.exp(nats / sum(len(title) + len(text) + 3 for text, title in raw)))


@command
def main() -> None:
    """Measures, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default=CORPUS, help="the poems to train on, as for train.py")
    parser.add_argument("--tangshi-gpt", type=Path, metavar="FILE", help="that project's test_poems.json")
    parser.add_argument("--output", type=Path, help="write the results to this file as JSON")
    options = parser.parse_args()
    corpus = split_as_trained()
    held_out = [poem.text for part in ("valid", "test") for poem in corpus.splits[part]]
    rows = []
    for source in dict.fromkeys(("tang", options.corpus)):
        poems = judge_poems(source, held_out)
        started = time.process_time()
        model = KneserNey(poem.text for poem in poems)
        row = {
            "corpus": source,
            "poems": len(poems),
            "characters": sum(len(poem.text) for poem in poems),
            "seconds": round(time.process_time() - started, 1),
            "held_out_perplexity": round(model.perplexity(held_out), 2),
        }
        if options.tangshi_gpt:
            row["tangshi_gpt_perplexity"] = round(by_protocol(poems, options.tangshi_gpt), 2)
        rows.append(row)
    show("Kneser-Ney, 4-grams of characters", list(rows[0]), [[f"{v}" for v in row.values()] for row in rows])
    finish({"benchmark": "kneser_ney", "machine": machine(), "rows": rows}, options.output)


if __name__ == "__main__":
    sys.exit(main())
