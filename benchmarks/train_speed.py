"""Measures training speed: our step against a plain recipe, with the same model size and Tang poems.

    python benchmarks/train_speed.py --seconds 20 --rounds 3 --json train_speed.json

The plain recipe uses float32, random batches padded to their longest poem, one multi-layer nn.LSTM, and a
softmax at every position, with ignore_index. Ours is the step of the Trainer: bf16 autocast if the CPU has
it, batches of one exact length, a softmax only at targets, computed over the frequent characters and a
sample of the others (except in the last 15 % of a training), and freed memory kept by glibc. Each row below
ours omits one of these ingredients; a softmax at every position is never sampled. Only real tokens count, not
padding. The contenders take turns, each in its own process, because malloc settings apply to a whole process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, finish, in_fresh_process, interleaved, show, summary

from poet_model.errors import command

INGREDIENTS = {
    "bf16": "bf16 autocast",
    "exact": "batches of one exact length",
    "targets": "softmax only at targets",
    "sampled": "sampled softmax",
    "malloc": "freed memory kept (mallopt)",
}
PLAIN, OURS, WHOLE_SOFTMAX = "plain recipe", "ours", f"ours without {INGREDIENTS['sampled']}"
BEFORE = "ours in the other checkout"
WARM_UP = 2  # steps before the measurement


def parse_arguments() -> argparse.Namespace:
    """The options of the command line; --worker is for the processes that this script starts itself."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per contender and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch threads; None lets torch choose")
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--num-layers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--poems", type=int, default=20_000, help="poems of the Tang training split to use")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="another checkout to measure as well",
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def worker(options: argparse.Namespace) -> dict:
    """Trains for --seconds as one contender, given by its ingredients, and returns the speed."""
    if "malloc" in options.worker:
        from poet_model.training.malloc import keep_freed_memory

        keep_freed_memory()
    import torch

    from poet_model import PoetTokenizer
    from poet_model.corpus.batches import HeaderRates, PoemBatches
    from poet_model.corpus.prepare import load_corpus
    from poet_model.prosody.lines import FORMS, LINE_ENDS
    from poet_model.tokenizer import PAD

    if options.threads:
        torch.set_num_threads(options.threads)
    train = load_corpus("tang").splits["train"]
    texts = (part for poem in train for part in (poem.text, poem.title, poem.author))
    tokenizer = PoetTokenizer.from_texts(texts, required=LINE_ENDS + "".join(FORMS))
    batches = PoemBatches(
        train[: options.poems],
        tokenizer,
        batch_size=options.batch_size,
        header=HeaderRates(),
        exact_length="exact" in options.worker,
    )
    torch.manual_seed(0)
    make_step = plain_step if options.worker == "plain" else our_step
    step, precision = make_step(options, tokenizer, batches)
    tokens, steps, started = 0, 0, 0.0
    while True:
        for batch in batches.epoch(options.round):
            if steps == WARM_UP:
                started = time.perf_counter()
            step(batch)
            steps += 1
            if steps > WARM_UP:
                tokens += int((batch.inputs != PAD).sum())
                if (seconds := time.perf_counter() - started) >= options.seconds:
                    return {
                        "tokens_per_second": tokens / seconds,
                        "steps": steps - WARM_UP,
                        "precision": precision,
                        "threads": torch.get_num_threads(),
                        "vocabulary": len(tokenizer),
                    }


def plain_step(options: argparse.Namespace, tokenizer, batches):
    """The step of the plain recipe, with a tied embedding so that the model has the same size as ours."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    from poet_model.corpus.batches import IGNORE

    class PlainModel(nn.Module):
        def __init__(self, vocabulary: int, width: int, layers: int):
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, width)
            self.lstm = nn.LSTM(width, width, num_layers=layers, dropout=0.2, batch_first=True)
            self.output = nn.Linear(width, vocabulary)
            self.output.weight = self.embedding.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.output(self.lstm(self.embedding(ids))[0])

    model = PlainModel(len(tokenizer), options.hidden_size, options.num_layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    def step(batch) -> None:
        inputs, targets = map(torch.from_numpy, batch)
        logits = model(inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, "no"


def our_step(options: argparse.Namespace, tokenizer, batches):
    """The step of the Trainer, with only the ingredients that are named in options.worker."""
    import torch
    import torch.nn.functional as F
    from accelerate import Accelerator

    from poet_model import PoetConfig, PoetModel
    from poet_model.corpus.batches import IGNORE
    from poet_model.machine import best_precision
    from poet_model.training.config import TrainingConfig
    from poet_model.training.objective import Losses
    from poet_model.training.poem_objective import PoemObjective
    from poet_model.training.presets import load_preset
    from poet_model.training.trainer import Trainer

    class EveryPositionObjective(PoemObjective):
        """An objective with the logits of every position at once, as in the plain recipe."""

        def prepare(self, batch, **where):
            return tuple(map(torch.from_numpy, batch))

        def forward(self, prepared):
            inputs, targets = prepared
            logits = self.model(inputs)[0].flatten(0, 1).float()
            loss = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE, reduction="sum")
            return Losses(loss, {"loss": loss})

    shape = PoetConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden_size,
        num_layers=options.num_layers,
        input_dropout=0.25,
        layer_dropout=0.2,
        output_dropout=0.35,
    )
    precision = best_precision(on_gpu=False) if "bf16" in options.worker else "no"
    recipe = load_preset("cpu")["training"] | {"batch_size": options.batch_size}
    if "sampled" not in options.worker:
        recipe["softmax_frequent"] = 0
    config = TrainingConfig(**recipe)
    kind = PoemObjective if "targets" in options.worker else EveryPositionObjective
    objective = kind.from_config(PoetModel(shape, tokenizer), config)
    objective.begin_step(0.0)  # 0 % of the training is done; the softmax is whole only near the end
    ours = Trainer(
        objective.train(),
        batches,
        evaluate=lambda model: {"loss": 0.0},
        save_best=lambda model, record: None,
        config=config,
        output=Path(tempfile.gettempdir()) / "never-written",
        accelerator=Accelerator(mixed_precision=precision, cpu=True),
    )

    def step(batch) -> None:
        ours.update(batch, rate=3e-3)

    return step, precision


@command
def main() -> None:
    """Measures the contenders in turn, prints the table and writes the results."""
    options = parse_arguments()
    if options.worker:
        print(json.dumps(worker(options)))
        return
    from poet_model.machine import machine

    recipes = {PLAIN: "plain", OURS: "+".join(INGREDIENTS)}
    for key, name in INGREDIENTS.items():
        recipes[f"ours without {name}"] = "+".join(other for other in INGREDIENTS if other != key)
    passed_on = []
    for name in ("seconds", "threads", "hidden_size", "num_layers", "batch_size", "poems"):
        if (value := getattr(options, name)) is not None:
            passed_on += [f"--{name.replace('_', '-')}", value]
    details: dict[str, dict] = {}

    if options.against:
        recipes[BEFORE] = recipes[OURS]

    def measure(name: str, number: int) -> float:
        arguments = ["--worker", recipes[name], "--round", number, *passed_on]
        checkout = options.against if name == BEFORE else ROOT
        details[name] = in_fresh_process("train_speed.py", *arguments, checkout=checkout)
        return details[name]["tokens_per_second"]

    contenders = {name: lambda number, name=name: measure(name, number) for name in recipes}
    results = {name: summary(speeds) for name, speeds in interleaved(contenders, options.rounds).items()}
    plain, ours = results[PLAIN]["median"], results[OURS]["median"]
    rows = []
    for name, result in results.items():
        result["times_plain"] = result["median"] / plain
        result["precision"] = details[name]["precision"]
        share = ""
        if name not in (PLAIN, OURS, BEFORE):
            # a softmax at every position is never sampled, so the base is the whole softmax only at targets
            base = WHOLE_SOFTMAX if name.endswith(INGREDIENTS["targets"]) else OURS
            result["ingredient_gives"] = results[base]["median"] / result["median"]
            share = f"{result['ingredient_gives']:.2f}x"
        spread = f"{result['low']:,.0f}-{result['high']:,.0f}"
        rows.append([name, f"{result['median']:,.0f}", spread, f"{result['times_plain']:.2f}x", share])
    facts = details[OURS]
    where = f"{machine()}; torch uses {facts['threads']} threads, ours in precision {facts['precision']!r}"
    size = f"{options.num_layers}x{options.hidden_size}, {facts['vocabulary']:,} tokens of vocabulary"
    title = f"Training, real tokens/s, median of {options.rounds} ({size})\n{where}"
    show(title, ["", "tokens/s", "range", "vs plain", "gain by the ingredient"], rows)
    print(f"\nours / plain: {ours / plain:.2f} (goal on a CPU with AVX512_BF16: at least 2.5)")
    record = {"what": "training, real tokens a second", "where": where, "model": size}
    finish(record | {"ratio": ours / plain, "contenders": results}, options.json)


if __name__ == "__main__":
    sys.exit(main())
