"""Measures a training step of the NumPy half against torch's autograd, in float32 on the CPU.

    python benchmarks/numpy_vs_torch.py --rounds 15 --json numpy_vs_torch.json

A step consists of forward, loss, backward and an Adam update of the same one-layer LSTM language model on
the same batch, in the same process and with the same number of threads. Losses and gradients are compared
before the steps are timed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from common import finish, interleaved, show, summary

from poet_model.errors import command

OURS, PLAIN, TORCH = "NumPy, fast", "NumPy, plain", "torch autograd"
SIZES = {  # vocabulary, batch, steps, embedding and hidden size
    "V 2508, B 32, T 128, H 128": (2508, 32, 128, 128),
    "V 5031, B 128, T 64, H 256": (5031, 128, 64, 256),
}


def parse_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2, help="torch threads; set OMP_NUM_THREADS too")
    parser.add_argument("--plain", action="store_true", help="also time the plain NumPy version")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file as JSON")
    return parser.parse_args()


class NumPyStep:
    """A training step of poet_model.from_scratch.

    Args:
        size: vocabulary, batch, steps and hidden size, as in SIZES.
        is_fast: whether to use the fast implementation of the gradients or the plain one.
    """

    def __init__(self, size: tuple[int, int, int, int], is_fast: bool = True):
        from poet_model.from_scratch.char_lm import CharLM, CharLMConfig
        from poet_model.from_scratch.optimizers import Adam
        from poet_model.from_scratch.vocabulary import Vocabulary

        vocab, _, _, hidden = size
        vocabulary = Vocabulary(map(chr, range(0x4E00, 0x4E00 + vocab - 5)))
        self.model = CharLM(CharLMConfig(vocab, hidden, hidden), vocabulary)
        self._loss_and_gradients = (
            self.model.fast_loss_and_gradients if is_fast else self.model.loss_and_gradients
        )
        self._optimizer = Adam(self.model.parameters, 0.01)

    def __call__(self, ids: np.ndarray, targets: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        loss, grads, _ = self._loss_and_gradients(ids, targets)
        self._optimizer.step(grads)
        return loss, grads


class TorchStep:
    """The same step in torch with the same weights: nn.Embedding, nn.LSTM, nn.Linear, cross_entropy, Adam."""

    def __init__(self, ours: NumPyStep):
        import torch
        from torch import nn

        config = ours.model.config
        self._torch = torch
        self.modules = nn.ModuleDict(
            {
                "embedding": nn.Embedding(config.vocab_size, config.embedding_size),
                "lstm": nn.LSTM(config.embedding_size, config.hidden_size, batch_first=True),
                "output": nn.Linear(config.hidden_size, config.vocab_size),
            }
        )
        self.names = {
            name.replace("lstm.layers.0", "lstm") if name != "bias" else "output.bias": name
            for name in ours.model.parameters
        }
        weights = {theirs: torch.tensor(ours.model.parameters[name]) for theirs, name in self.names.items()}
        self.modules.load_state_dict(weights)
        self._optimizer = torch.optim.Adam(self.modules.parameters(), 0.01, fused=True)

    def __call__(self, ids: np.ndarray, targets: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        torch, parts = self._torch, self.modules
        self._optimizer.zero_grad(set_to_none=True)
        hidden, _ = parts["lstm"](parts["embedding"](torch.from_numpy(ids)))
        logits = parts["output"](hidden).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets).flatten())
        loss.backward()
        self._optimizer.step()
        grads = {self.names[name]: p.grad.numpy() for name, p in parts.named_parameters()}
        return loss.item(), grads


def largest_error(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """The largest relative error, |ours - theirs| / |theirs|, of any gradient."""
    return max(
        float(np.linalg.norm(ours[name] - theirs[name]) / np.linalg.norm(theirs[name])) for name in ours
    )


@command
def main() -> None:
    """Measures, prints a table for each size and writes the results."""
    options = parse_arguments()
    import torch

    from poet_model.machine import machine

    torch.set_num_threads(options.threads)
    record: dict = {
        "what": "seconds of a training step",
        "where": machine(),
        "threads": options.threads,
        "sizes": {},
    }
    for title, size in SIZES.items():
        vocab, batch, steps, _ = size
        ids, targets = np.random.default_rng(0).integers(5, vocab, (2, batch, steps))
        ours = NumPyStep(size)
        peer = TorchStep(ours)
        (loss, grads), (peer_loss, peer_grads) = ours(ids, targets), peer(ids, targets)
        error = largest_error(grads, peer_grads)
        print(f"{title}: losses {loss:.6f} and {peer_loss:.6f}, largest error of a gradient {error:.1e}")
        contenders = {TORCH: peer, OURS: ours}
        if options.plain:
            contenders[PLAIN] = NumPyStep(size, is_fast=False)

        def timed(step, ids=ids, targets=targets):
            def run(number: int) -> float:
                started = time.perf_counter()
                step(ids, targets)
                return time.perf_counter() - started

            run(0)  # warm up
            return run

        rounds = interleaved({name: timed(step) for name, step in contenders.items()}, options.rounds)
        results = {name: summary(seconds) for name, seconds in rounds.items()}
        peer_median = results[TORCH]["median"]
        rows = []
        for name, result in results.items():
            result["times_torch"] = peer_median / result["median"]
            spread = f"{1000 * result['low']:,.0f}-{1000 * result['high']:,.0f}"
            rows.append([name, f"{1000 * result['median']:,.0f}", spread, f"{result['times_torch']:.2f}x"])
        record["sizes"][title] = {"gradient_error": error, "contenders": results}
        heading = f"{title}: training step, median of {options.rounds}, {options.threads} threads"
        show(f"{heading}\n{record['where']}", ["", "ms", "range", "speed vs torch"], rows)
        ratio = results[OURS]["times_torch"]
        print(f"\nNumPy / torch: {ratio:.2f} (goal: at least 1.2)\n")
    finish(record, options.json)


if __name__ == "__main__":
    sys.exit(main())
