"""Sends random hostile requests to `generate` and to the page, and counts what becomes of them.

    python tools/fuzz_requests.py --count 3000                    # 3,000 to each
    PYTHONPATH=FOLDER python tools/fuzz_requests.py --count 3000  # to the poet_model in another folder

Each must be answered with a poem or a PoetError, whose message is short and can be encoded; the page shows it
as a sentence. Anything else is a fault, and the exit status is 1. The model is tiny and untrained.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from hostile_values import FOREIGN, OF_JSON, OF_PYTHON, OF_WRITE, OF_WRITE_POEM, STARTS, VALID, VERSE

sys.path.append(str(Path(__file__).resolve().parent.parent))
from poet_model.errors import command

MAX_MESSAGE = 800  # characters; the longest lists all rhyme groups or all options


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        outcomes: how many ended in "a poem", "a PoetError", or something else, by its name.
        seconds: the CPU time of each request.
        faults: the requests that ended in something else, shortened.
    """

    outcomes: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, request: dict, call: Callable[[], str]) -> None:
        """Makes a request and counts its outcome; `call` returns its name or raises."""
        started = time.thread_time()
        try:
            outcome = call()
        except Exception as error:  # whatever it is, it is counted
            outcome = outcome_of(error)
        self.seconds.append(time.thread_time() - started)
        self.outcomes[outcome] += 1
        if outcome not in ("a poem", "a PoetError"):
            self.faults.append(
                f"{outcome}: { ({name: shortened(value) for name, value in request.items()}) }"
            )

    @property
    def slow(self) -> int:
        """The number of requests that took more than half a second."""
        return sum(seconds > 0.5 for seconds in self.seconds)


def shortened(value: object) -> str:
    """A value for the list of faults."""
    if isinstance(value, (str, bytes)):
        return ascii(value[:20]) + ("…" if len(value) > 20 else "")
    try:
        return ascii(value)[:60]
    except (ValueError, RuntimeError):
        return f"a {type(value).__name__}"


def outcome_of(error: Exception) -> str:
    """The name of the outcome of a request that raised an error."""
    from poet_model import PoetError

    if not isinstance(error, PoetError):
        return type(error).__name__
    return judged(f"{error}{error.chinese}", "a PoetError")


def judged(text: str, good: str) -> str:
    """`good`, unless a text cannot be sent to a browser, or is an endless message."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return f"{good} that cannot be encoded"
    return (
        good if good == "a poem" or len(text) <= MAX_MESSAGE else f"{good} of over {MAX_MESSAGE} characters"
    )


def some(
    rng: np.random.Generator, valid: dict[str, list], hostile: list, most: int, share: float
) -> dict[str, object]:
    """Random values for at most `most` of the options, about `share` of them hostile."""
    names = rng.choice(list(valid), rng.integers(0, most + 1), replace=False).tolist()
    pools = [hostile if rng.random() < share else valid[name] for name in names]
    return {name: pool[rng.integers(len(pool))] for name, pool in zip(names, pools, strict=True)}


def calls_of_generate(rng: np.random.Generator, model) -> Iterator[tuple[dict, Callable[[], str]]]:
    """Endless random calls of `generate` and `stream`."""
    while True:
        options = {"max_length": 20} | some(rng, VALID, OF_PYTHON, 5, 0.2)
        if rng.random() < 0.1:
            options |= some(rng, {name: [None, 1] for name in FOREIGN}, OF_PYTHON, 1, 0.5)
        if rng.random() < 0.1:
            options |= some(rng, {"num_poems": [1, 2]}, OF_PYTHON, 1, 0.5)
        pool = OF_PYTHON if rng.random() < 0.2 else STARTS
        unnamed = [pool[rng.integers(len(pool))]]
        if rng.random() < 0.05:
            unnamed.append(OF_PYTHON[rng.integers(len(OF_PYTHON))])
        method = "stream" if rng.random() < 0.3 else "generate"
        yield {"": method, "unnamed": unnamed} | options, partial(generated, model, method, unnamed, options)


def generated(model, method: str, unnamed: list, options: dict) -> str:
    """Writes a poem and returns the name of the outcome."""
    result = getattr(model, method)(*unnamed, **options)
    poems = result if isinstance(result, list) else [result]
    text = "".join(result) if method == "stream" else "".join(poem.text for poem in poems)
    return judged(text, "a poem")


def calls_of_page(rng: np.random.Generator, endpoints) -> Iterator[tuple[dict, Callable[[], str]]]:
    """Endless random requests to the endpoints of the page, with values that JSON can hold."""
    usual = {name: values[0] for name, values in OF_WRITE.items()}
    while True:
        if rng.random() < 0.5:
            values = usual | some(rng, OF_WRITE, OF_JSON, 6, 0.15)
            yield {"": "/generate"} | values, partial(written, endpoints, values)
        else:
            values = some(rng, OF_WRITE_POEM, OF_JSON, 5, 0.2)
            yield {"": "/write_poem"} | values, partial(poem_written, endpoints, values)


def written(endpoints, values: dict) -> str:
    """Writes a poem for the page and returns the name of the outcome."""
    *_, last = endpoints.write(**values)
    if isinstance(last.poem, str):
        return judged(last.poem + last.plain, "a poem")
    return judged(last.notice, "a PoetError")


def poem_written(endpoints, values: dict) -> str:
    """Writes a poem through the API and returns the name of the outcome."""
    import gradio as gr

    try:
        return judged(str(endpoints.write_poem(**values)), "a poem")
    except gr.Error as error:
        raise error.__cause__ or error from None


def fuzz(count: int, seed: int = 0) -> dict[str, Tally]:
    """Sends `count` requests each to `generate` and to the page, always the same for a seed."""
    import torch

    from poet_model import PoetConfig, PoetModel, PoetTokenizer
    from poet_model.novelty.index import NoveltyIndex
    from poet_model.ui.endpoints import Endpoints
    from poet_model.ui.poet import Poet

    torch.manual_seed(seed)
    tokenizer = PoetTokenizer.from_texts([VERSE], min_count=1, required="春五七絕律李白東")
    model = PoetModel(PoetConfig(len(tokenizer), hidden_size=16, num_layers=1), tokenizer).eval()
    index = NoveltyIndex.build([(VERSE, "詩", "人")])
    tallies = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POET_CACHE"] = folder  # no index of this machine is used
        endpoints = Endpoints(Poet("tiny", Path(folder), model, index))
        model.generate("月", form="五絕", seed=0)  # loads what is loaded once
        for name, calls in (("generate", calls_of_generate), ("page", calls_of_page)):
            tallies[name], rng = Tally(), np.random.default_rng(seed)
            requests = calls(rng, model if name == "generate" else endpoints)
            for _, (request, call) in zip(range(count), requests, strict=False):
                tallies[name].add(request, call)
    return tallies


@command
def main() -> int:
    """Counts and prints the outcomes; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="requests to generate, and to the page")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=5, metavar="N", help="faults to print")
    options = parser.parse_args()
    is_bad = False
    for name, tally in fuzz(options.count, options.seed).items():
        counted = ", ".join(f"{number:,} × {outcome}" for outcome, number in tally.outcomes.most_common())
        print(f"{name}: {counted}; the slowest {max(tally.seconds):.2f} s, {tally.slow} over 0.5 s")
        print(*tally.faults[: options.show], sep="\n", end="\n" * bool(tally.faults))
        is_bad |= bool(tally.faults) or bool(tally.slow)
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main())
