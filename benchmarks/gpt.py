"""GPT: a plain transformer with the interface of PoetModel, which is what an LSTM is compared with today.

The embedding is also the output layer, as in PoetModel. Its layers are in transformer.py.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from common import ROOT  # noqa: F401  (makes poet_model importable)
from torch import nn
from transformer import HEAD_SIZE, ROOM, Cache, GPTConfig, Layer

from poet_model.arrays import FloatArray, IntArray
from poet_model.generation.options import GenerationConfig
from poet_model.generation.writer import Writer
from poet_model.layers import new_embedding
from poet_model.stepper import RowProduct
from poet_model.tokenizer import PoetTokenizer


class GPT(nn.Module, Writer):
    """A transformer language model together with its tokenizer; see PoetModel, whose methods it has.

    Args:
        config: the architecture.
        tokenizer: the vocabulary.
    """

    def __init__(self, config: GPTConfig, tokenizer: PoetTokenizer):
        super().__init__()
        self.config, self.tokenizer, self.generation_config = config, tokenizer, GenerationConfig()
        weights = new_embedding(config.vocab_size, config.hidden_size)
        self.embedding = nn.Embedding.from_pretrained(weights["embedding.weight"], freeze=False)
        self.bias = nn.Parameter(weights["bias"])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.hidden_size, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        for layer in self.layers:  # as in GPT-2
            scale = 0.02 / (2 * config.num_layers) ** 0.5
            nn.init.normal_(layer.attention.queries_keys_values.weight, std=0.02)
            nn.init.normal_(layer.inner.weight, std=0.02)
            nn.init.normal_(layer.attention.output.weight, std=scale)
            nn.init.normal_(layer.outer.weight, std=scale)

    def new_state(self) -> Cache:
        """The state of one row before its first token."""
        config = self.config
        return Cache(self.bias.new_empty(config.num_layers, 2, 1, config.num_heads, ROOM, HEAD_SIZE).float())

    def outputs(
        self, ids: torch.Tensor, state: Cache | None = None, *, dropout: bool = True
    ) -> tuple[list[torch.Tensor], Cache | None]:
        """Like `hidden_states`, but with a list of the outputs alone."""
        hidden, state = self.hidden_states(ids, state, dropout=dropout)
        return [hidden], state

    def hidden_states(
        self, ids: torch.Tensor, state: Cache | None = None, *, dropout: bool = True
    ) -> tuple[torch.Tensor, Cache | None]:
        """Ids (B, T) and the state before them -> the last layer's outputs (B, T, H) and the state after.

        Args:
            ids: the ids.
            state: None to read whole rows without keeping a state, as in training.
            dropout: must be True in training mode.
        """
        assert dropout or not self.training, "dropout is switched off by eval()"
        state = None if state is None else state.continued(ids.shape[1])
        end = ids.shape[1] if state is None else state.length
        positions = torch.arange(end - ids.shape[1], end, device=ids.device)
        halves = torch.arange(0, HEAD_SIZE, 2, device=ids.device)
        angles = positions[:, None] * 10_000.0 ** (-halves / HEAD_SIZE)  # (T, D / 2)
        turn = angles.cos(), angles.sin()
        x = self.dropout(self.embedding(ids))
        for index, layer in enumerate(self.layers):
            x = layer(x, turn, None if state is None else state.buffer[index, ..., :end, :])
        return self.norm(x), state

    def project(self, hidden: torch.Tensor) -> torch.Tensor:
        """Outputs of the last layer (..., H) -> raw logits (..., V)."""
        return F.linear(hidden, self.embedding.weight, self.bias)

    def forward(self, ids: torch.Tensor, state: Cache | None = None) -> tuple[torch.Tensor, Cache | None]:
        """Ids (B, T) and the state before them -> raw logits (B, T, V) and the state after them."""
        hidden, state = self.hidden_states(ids, state)
        return self.project(hidden), state

    def stepper(self) -> GPTStepper:
        """The model as a Stepper for decoding."""
        return GPTStepper(self)


class GPTStepper:
    """Implements `generation.decoding.Stepper` for a GPT; its products are those of TorchStepper.

    Args:
        model: the model, whose weights are copied.
    """

    @torch.no_grad()
    def __init__(self, model: GPT):
        self._network = copy.deepcopy(model).eval()
        for part in list(self._network.layers.modules()):
            for name, linear in list(part.named_children()):
                if isinstance(linear, nn.Linear):
                    delattr(part, name)
                    product = RowProduct(linear.weight, linear.weight.new_zeros(len(linear.weight)))
                    setattr(part, name, product)
        self._output = RowProduct(model.embedding.weight.detach(), model.bias.detach())

    @torch.inference_mode()
    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, Cache]:
        """Reads ids (T,); returns the logits (T - first, V) from position `first` on, and the state after."""
        hidden, state = self._network.hidden_states(self._on_device(ids)[None], self._network.new_state())
        return self._logits(hidden[0, first:]), state

    @torch.inference_mode()
    def step(self, ids: IntArray, state: Cache) -> tuple[FloatArray, Cache]:
        """Takes ids (B,) and the state before them; returns the next logits (B, V) and the new state."""
        hidden, state = self._network.hidden_states(self._on_device(ids)[:, None], state)
        return self._logits(hidden[:, 0]), state

    @torch.inference_mode()
    def select(self, state: Cache, rows: Sequence[int] | IntArray) -> Cache:
        """The state of the given rows of the batch; rows may be dropped, repeated or reordered."""
        return state.rows(self._on_device(rows))

    def _on_device(self, numbers: Sequence[int] | IntArray) -> torch.Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self._network.bias.device)

    def _logits(self, hidden: torch.Tensor) -> FloatArray:
        return self._output(hidden).float().cpu().numpy()
