"""10,000 poems in rows of 64, a hand-written LSTM: the loss with padding counted, as published, and without.

    python -m poet_model.from_scratch.experiments.tang_10k

As in the published exercise: poems of 10 to 63 characters, 8,000 for training, and every fifth one, 2,000 in
all, as the development set. (Near copies of a poem may be on both sides.) Special tokens START, EOS, OOV and
PAD; embedding and hidden size 256, Xavier, Adam 0.01, weight decay 1e-4, batches of 128. The best published
development loss is 4.054 per token, with padding counted and a ReLU before the softmax. The "perplexity
18.45" published with it has the form 2^nats (here 2^4.205), not a perplexity; e^4.054 is 57.6. A loss that
counts padding mostly scores how well PAD is predicted after PAD, so the table also has the loss without
padding.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from .common import need, progress, run_experiment

POEMS, LENGTH, BATCH, SIZE, EPOCHS = 10_000, 64, 128, 256, 8
PAD, OOV, START, EOS = range(4)
PUBLISHED = 4.054


def rows_of(poems: list[str], characters: dict[str, int]) -> np.ndarray:
    """START, the poem, EOS, and PAD up to 65 ids: each of the 64 after the first is predicted, (N, 65)."""
    rows = np.full((len(poems), LENGTH + 1), PAD)
    for row, poem in zip(rows, poems, strict=True):
        ids = [START, *(characters.get(c, OOV) for c in poem), EOS]
        row[: len(ids)] = ids
    return rows


def load_poems(quick: bool) -> tuple[list[str], list[str]]:
    """The training poems and the development poems."""
    need("opencc")
    from ...corpus.prepare import load_corpus

    splits = load_corpus("tang300" if quick else "tang").splits
    poems = [poem.text for poem in splits["train"] if 10 <= len(poem.text) <= LENGTH - 1][:POEMS]
    return [p for i, p in enumerate(poems) if i % 5], poems[::5]


def new_network(vocab_size: int) -> Any:
    """Embedding, LSTM and output layer, the weight matrices initialized by Xavier."""
    torch = need("torch")
    from ...layers import HandwrittenLSTM

    torch.manual_seed(0)
    network = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(vocab_size, SIZE),
            "lstm": HandwrittenLSTM(SIZE, SIZE),
            "output": torch.nn.Linear(SIZE, vocab_size),
        }
    )
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.xavier_uniform_(parameter)
    return network


def token_losses(network: Any, rows: Any) -> Any:
    """The nats of each target of some rows, (B, 64), padding included."""
    from torch.nn import functional as F

    hidden, _ = network["lstm"](network["embedding"](rows[:, :-1]))
    logits = network["output"](hidden).flatten(0, 1)
    return F.cross_entropy(logits, rows[:, 1:].flatten(), reduction="none").view(len(rows), -1)


def train_epoch(network: Any, optimizer: Any, rows: Any) -> float:
    """Makes one pass over the rows; returns the mean loss, padding included as in the published exercise."""
    torch = need("torch")
    total = 0.0
    for batch in rows[torch.randperm(len(rows))].split(BATCH):
        loss = token_losses(network, batch).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(rows)


def measure(network: Any, rows: Any) -> tuple[float, float]:
    """The loss per token with padding counted, and without."""
    nats = honest = tokens = 0.0
    with need("torch").inference_mode():
        for batch in rows.split(BATCH):
            losses, is_token = token_losses(network, batch), batch[:, 1:] != PAD
            nats, honest = nats + losses.sum().item(), honest + losses[is_token].sum().item()
            tokens += is_token.sum().item()
    return nats / (len(rows) * LENGTH), honest / tokens


def run(quick: bool) -> dict[str, Any]:
    """Trains; the table has one row per epoch."""
    torch = need("torch")
    train_poems, dev_poems = load_poems(quick)
    distinct = sorted({c for poem in train_poems for c in poem})
    characters = {c: index for index, c in enumerate(distinct, 4)}
    train, dev = (torch.from_numpy(rows_of(poems, characters)) for poems in (train_poems, dev_poems))
    network = new_network(len(characters) + 4)
    optimizer = torch.optim.Adam(network.parameters(), 0.01, weight_decay=1e-4)
    table, epochs = [], 1 if quick else EPOCHS
    for epoch in progress(range(1, epochs + 1), epochs, "epochs"):
        started = time.perf_counter()
        loss = train_epoch(network, optimizer, train)
        padded, honest = measure(network, dev)
        seconds = round(time.perf_counter() - started, 1)
        table.append([epoch, loss, padded, honest, math.exp(honest), seconds])
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


def draw(record: dict[str, Any], figure: Any) -> None:
    """Plots the two development losses by epoch."""
    axes = figure.subplots()
    epochs = [row[0] for row in record["rows"]]
    axes.plot(epochs, [row[2] for row in record["rows"]], "o-", label="padding counted")
    axes.plot(epochs, [row[3] for row in record["rows"]], "o-", label="padding not counted")
    axes.axhline(PUBLISHED, linestyle="--", color="gray", label="published, padding counted")
    axes.set(xlabel="epoch", ylabel="development loss (nats)", title="10,000 poems in rows of 64")
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(run_experiment(__file__, run, draw))
