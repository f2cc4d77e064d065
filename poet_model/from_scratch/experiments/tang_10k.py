"""10,000 poems in rows of 64, a hand-written LSTM: the loss with padding counted, as published, and without.

    python -m poet_model.from_scratch.experiments.tang_10k

Poems of 10 to 63 characters, 8,000 to train on and 2,000 to develop on, every fifth as published (near-
copies may stand on both sides); tokens START, EOS, OOV and PAD; embedding and hidden size 256, Xavier, Adam
0.01, weight decay 1e-4, batches of 128. The published best is a development loss of 4.054 a token, padding
counted, with a ReLU before the softmax; its "perplexity 18.45" is 2^nats, and e^4.054 is 57.6. What counts
padding is mostly a score for writing PAD after PAD; the honest figure stands beside it.
"""

from __future__ import annotations

import math
import time

import numpy as np

from .common import need, progress, run_experiment

POEMS, LENGTH, BATCH, SIZE, EPOCHS = 10_000, 64, 128, 256, 8
PAD, OOV, START, EOS = range(4)
PUBLISHED = 4.054


def rows_of(poems: list[str], characters: dict[str, int]) -> np.ndarray:
    """START, the poem, EOS, and PAD up to 65 ids: 64 to read, 64 to write."""
    rows = np.full((len(poems), LENGTH + 1), PAD)
    for row, poem in zip(rows, poems, strict=True):
        ids = [START, *(characters.get(c, OOV) for c in poem), EOS]
        row[: len(ids)] = ids
    return rows


def load_poems(quick: bool) -> tuple[list[str], list[str]]:
    """Training and development poems."""
    need("opencc")
    from ...corpus.prepare import load_corpus

    splits = load_corpus("tang300" if quick else "tang").splits
    poems = [poem.text for poem in splits["train"] if 10 <= len(poem.text) <= LENGTH - 1][:POEMS]
    return [p for i, p in enumerate(poems) if i % 5], poems[::5]


def run(quick: bool) -> dict:
    """Trains; a row an epoch."""
    torch = need("torch")
    from torch.nn import functional as F

    from ...layers import HandwrittenLSTM

    train_poems, dev_poems = load_poems(quick)
    distinct = sorted({c for poem in train_poems for c in poem})
    characters = {c: index for index, c in enumerate(distinct, 4)}
    train, dev = (torch.from_numpy(rows_of(poems, characters)) for poems in (train_poems, dev_poems))
    torch.manual_seed(0)
    modules = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(len(characters) + 4, SIZE),
            "lstm": HandwrittenLSTM(SIZE, SIZE),
            "output": torch.nn.Linear(SIZE, len(characters) + 4),
        }
    )
    for parameter in modules.parameters():
        if parameter.ndim > 1:
            torch.nn.init.xavier_uniform_(parameter)
    optimizer = torch.optim.Adam(modules.parameters(), 0.01, weight_decay=1e-4)

    def losses(rows):
        """The nats of each target, (B, 64)."""
        hidden, _ = modules["lstm"](modules["embedding"](rows[:, :-1]))
        logits = modules["output"](hidden).flatten(0, 1)
        return F.cross_entropy(logits, rows[:, 1:].flatten(), reduction="none").view(len(rows), -1)

    def measure() -> tuple[float, float]:
        """Development loss a token: padding counted, and not."""
        nats = honest = tokens = 0.0
        with torch.inference_mode():
            for batch in dev.split(BATCH):
                found, is_token = losses(batch), batch[:, 1:] != PAD
                nats, honest = nats + found.sum().item(), honest + found[is_token].sum().item()
                tokens += is_token.sum().item()
        return nats / (len(dev) * LENGTH), honest / tokens

    table, epochs = [], 1 if quick else EPOCHS
    for epoch in progress(range(1, epochs + 1), epochs, "epochs"):
        started, total = time.perf_counter(), 0.0
        for batch in train[torch.randperm(len(train))].split(BATCH):
            loss = losses(batch).mean()  # over padding too, as published
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(modules.parameters(), 5.0)
            optimizer.step()
            total += loss.item() * len(batch)
        padded, honest = measure()
        seconds = round(time.perf_counter() - started, 1)
        table.append([epoch, total / len(train), padded, honest, math.exp(honest), seconds])
    best, honest = min(row[2] for row in table), min(row[3] for row in table)
    return {
        "columns": [
            "epoch",
            "training loss",
            "development, padded",
            "without padding",
            "its perplexity",
            "seconds",
        ],
        "rows": table,
        "best_with_padding": best,
        "best_without_padding": honest,
        "published": {"loss_with_padding": PUBLISHED},
        "notes": [
            f"development loss with padding counted: {best:.3f} (published: {PUBLISHED}); "
            f"without: {honest:.3f}, perplexity {math.exp(honest):.1f}",
            f"{len(train):,} + {len(dev):,} poems, vocabulary {len(characters) + 4:,}",
        ],
    }


def draw(record: dict, figure) -> None:
    """The two losses."""
    axes = figure.subplots()
    epochs = [row[0] for row in record["rows"]]
    axes.plot(epochs, [row[2] for row in record["rows"]], "o-", label="padding counted")
    axes.plot(epochs, [row[3] for row in record["rows"]], "o-", label="padding not counted")
    axes.axhline(PUBLISHED, linestyle="--", color="gray", label="published, padding counted")
    axes.set(xlabel="epoch", ylabel="development loss (nats)", title="10,000 poems in rows of 64")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
