"""How well couplets.parallelism tells real couplets from others, and how parallel the model's couplets are.

    python benchmarks/couplets.py --exclude FILE … [--poems 100]

The real couplets are those of the 律詩 that the corpus holds out (valid and test), from which the space was
not made. Against them stand
- the same first lines, each with the second line of another poem at the same place: any, and only lines whose
  even places have the other tone, so that the tones tell nothing;
- the first and the last couplets of the same poems, which need not be parallel.
AUC is the probability that a real middle couplet has more than one of those. Then the shipped model writes
poems of both forms with tones, rhyme and best_of=4, with and without parallel=True, with the same seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))
import poet_model
from poet_model.corpus.prepare import load_corpus
from poet_model.couplets import LEAST, MIDDLE, middle_couplets, parallelism
from poet_model.couplets.couplet import FORMS
from poet_model.errors import command
from poet_model.evaluation import intervals
from poet_model.evaluation.discriminator import auc
from poet_model.prosody.lines import LINE_ENDS, form_of, split_lines
from poet_model.prosody.readings import ANY, tone_mask

RESULTS = Path(__file__).with_name("results") / "couplets.json"
PARTNERS = 10  # other second lines for each first line
Lines = Sequence[str]


def scores(couplets: Sequence[tuple[str, str]]) -> list[float]:
    """The parallelism of each couplet; 0 where it is not known."""
    return [parallelism(*couplet) or 0.0 for couplet in couplets]


def opposed(line: str, other: str) -> bool:
    """Whether the even places of two lines can have opposite tones."""
    pairs = [(tone_mask(line[i]) or ANY, tone_mask(other[i]) or ANY) for i in range(1, len(line) - 1, 2)]
    return all(one | two == ANY for one, two in pairs)


def repaired(poems: Sequence[Lines], first: int, rng: np.random.Generator) -> list[list[tuple[str, str]]]:
    """First lines with second lines of other poems: any of them, and those with opposite tones."""
    found: list[list[tuple[str, str]]] = [[], []]
    for number, poem in enumerate(poems):
        others = [poems[i][first + 1] for i in rng.permutation(len(poems)) if i != number]
        fitting = [other for other in others if opposed(poem[first], other)]
        for kind, lines in zip(found, (others, fitting), strict=True):
            kind += [(poem[first], other) for other in lines[:PARTNERS]]
    return found


def real(texts: Sequence[str]) -> dict[str, object]:
    """The figures of real poems."""
    rng, section = np.random.default_rng(0), {}
    parts: dict[str, list[float]] = {}
    for form in FORMS:
        poems = [[line.rstrip(LINE_ENDS) for line in split_lines(t)] for t in texts if form_of(t) == form]
        here = {"middle": scores([(p[i], p[i + 1]) for p in poems for i in MIDDLE])}
        for name, i in (("first", 0), ("last", 6)):
            here[name] = scores([(p[i], p[i + 1]) for p in poems])
        pairs = [repaired(poems, i, rng) for i in MIDDLE]
        for kind, name in enumerate(("re-paired", "re-paired, tones opposed")):
            here[name] = scores([couplet for each in pairs for couplet in each[kind]])
        section[form] = figures(here) | {"poems": len(poems)}
        parts = {name: parts.get(name, []) + values for name, values in here.items()}
    return section | {"both": figures(parts)}


def figures(parts: dict[str, list[float]]) -> dict[str, object]:
    """For each kind of couplet its mean, the share that counts as parallel, and the AUC against it."""
    return {
        name: {
            "couplets": len(values),
            "mean": round(float(np.mean(values)), 4),
            "at_least": round(float(np.mean(np.array(values) >= LEAST)), 4),
            "highest_5_percent": round(float(np.quantile(values, 0.95)), 4),
            **({} if name == "middle" else {"auc": round(_auc(parts["middle"], values), 4)}),
        }
        for name, values in parts.items()
    }


def _auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    return auc(np.array(lower), np.array(higher)).value


def measured(texts: Sequence[str]) -> dict[str, object]:
    """The parallelism of the middle couplets of poems, the share that is parallel, and that with a repeat."""
    couplets = [couplet for text in texts for couplet in middle_couplets(text)]
    return intervals.as_json(
        {
            "parallelism": intervals.mean([c.parallelism or 0.0 for c in couplets]),
            "is_parallel": intervals.share([c.is_parallel for c in couplets]),
            "repeats": intervals.share([bool(c.repeated) for c in couplets]),
        }
    )


def written(count: int, **options: object) -> dict[str, object]:
    """The figures of poems of the shipped model, three of their couplets, and their mean log-probability."""
    model, section = poet_model.load(backend="numpy"), {}
    for form in FORMS:
        poems = model.generate(form=form, num_poems=count, tones=True, rhyme=True, seed=0, **options)
        couplets = [couplet for poem in poems for couplet in middle_couplets(poem.text)]
        section[form] = measured([poem.text for poem in poems]) | {
            "mean_log_prob": round(float(np.mean([poem.mean_log_prob for poem in poems])), 4),
            "of_seeds_0_1_2": [f"{'，'.join(c.lines)}。 {c.parallelism}" for c in couplets[::2][:3]],
        }
    return section


@command
def main() -> None:
    """Measures, prints and stores the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exclude", nargs="*", default=[], metavar="FILE", help="as in the training")
    parser.add_argument("--poems", type=int, default=100, metavar="N", help="to write of each form")
    given = parser.parse_args()
    splits = load_corpus("tang", given.exclude).splits
    texts = [poem.text for part in ("valid", "test") for poem in splits[part]]
    results: dict[str, object] = {"least": LEAST, "real": real(texts)}
    results["poems"] = {form: measured([t for t in texts if form_of(t) == form]) for form in FORMS}
    for name, options in (("plain", {}), ("parallel", {"parallel": True})):
        results[name] = written(given.poems, best_of=4, **options)
    RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
