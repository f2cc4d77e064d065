"""Measures a model at the end of an offline training: prints its figures and some poems, one JSON line each.

python tools/offline_measure.py MODEL tang.jsonl [tangshi_gpt_test.json]
"""

from __future__ import annotations

import json
import sys

import offline_pieces  # noqa: F401 - makes poet_model importable

from poet_model.terminal import on_any_terminal

STARTS = ("春", "花", "秋水", "月", "山", "水", "風", "雨", "酒", "夢")


@on_any_terminal
def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    folder, corpus, *test = sys.argv[1:] if arguments is None else arguments
    import torch

    from poet_model.corpus.prepare import load_corpus
    from poet_model.errors import PoetError
    from poet_model.evaluation.perplexity import score, without_header
    from poet_model.evaluation.tangshi_gpt import measure_by_protocol
    from poet_model.model import PoetModel

    model = PoetModel.from_pretrained(folder, device="cuda" if torch.cuda.is_available() else "cpu")
    for start in STARTS:
        try:
            poem = model.generate(start, seed=0).text
        except PoetError as error:  # a model of a small corpus may not know the character
            poem = f"({error})"
        tell(poem={"start": start, "text": poem})
    tell(validation=score(model, without_header(load_corpus(corpus).splits["valid"])).record())
    if test:
        tell(tangshi_gpt=measure_by_protocol(model, test[0]))
    return 0


def tell(**finding) -> None:
    """Prints one finding immediately."""
    print(json.dumps(finding, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
