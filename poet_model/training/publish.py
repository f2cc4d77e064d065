"""The end of a training run: evaluates the best model, writes its card, and pushes it to the Hub."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import torch

from ..corpus import Corpus
from ..errors import HubError, PoetError
from ..evaluation import command_line, measure, update_folder
from ..evaluation.measurement import work
from ..evaluation.perplexity import score
from ..evaluation.progress import Progress, in_words
from ..hub.push import push_folder
from ..model import PoetModel


def publish(
    options: argparse.Namespace,
    made_by: dict[str, Any],
    corpus: Corpus,
    device: torch.device,
    typed: Sequence[str],
) -> None:
    """Records how the best model was trained, evaluates it, writes its card, and optionally pushes it.

    Args:
        options: the options of train.py.
        made_by: written to metrics.json as `training`.
        corpus: the training corpus, on whose held-out poems the model is evaluated.
        device: the device to evaluate on.
        typed: the arguments of the command line.

    Raises:
        HubError: the model is complete but could not be pushed.
    """
    without_resume = [word for word in typed if word != "--resume"]
    command = command_line(options.program, without_resume)
    update_folder(options.output, {"training": made_by}, training=command)
    if options.no_measure:
        return
    model = PoetModel.from_pretrained(options.output, device=device)
    total = work(corpus)
    print(
        f"\nthe model is saved; evaluating it takes about {in_words(total * _token_seconds(model, corpus))} "
        "more (next time, --no-measure skips it) …",
        flush=True,
    )
    with Progress(total) as progress:
        measured = measure(model, corpus, progress=progress)
    metrics = update_folder(options.output, measured)
    for split, perplexity in metrics["perplexity"].items():
        print(f"{split:<18} perplexity {perplexity['perplexity']:.2f} over {perplexity['tokens']:,} tokens")
    poems = metrics["poems"]
    free, with_form = poems["free"], poems["with_form"]
    print(f"lines of equal length in {free['equal_lines']} of {free['poems']} poems without a given form")
    print(f"form kept in {with_form['kept']} of {with_form['poems']} poems with a given form")
    if options.push_to_hub:
        try:
            print("pushed:", push_folder(options.output, options.push_to_hub, private=options.private))
        except PoetError as error:
            folder, name = map(json.dumps, (options.output.as_posix(), options.push_to_hub))
            private = ", private=True" * bool(options.private)
            again = f"PoetModel.from_pretrained({folder}).push_to_hub({name}{private})"
            raise HubError(f"{error}. The model is saved; push it with {again}") from error


def _token_seconds(model: PoetModel, corpus: Corpus) -> float:
    """The time that scoring one token takes, found with a hundred poems, after a few to warm up."""
    poems = [poem for split in ("valid", "test", "train") for poem in corpus.splits[split][:100]]
    poems = (poems * 100)[:100]
    score(model, poems[:10])
    started = time.perf_counter()
    tokens = score(model, poems).tokens
    return (time.perf_counter() - started) / tokens
