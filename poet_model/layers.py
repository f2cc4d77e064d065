"""The network: a stack of LSTM layers, from torch or hand-written, and the language model around it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

State = tuple[torch.Tensor, torch.Tensor]  # hidden and cell state, each (L, B, H), as in nn.LSTM


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a sequence (variational dropout, Gal & Ghahramani 2016)."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, T, H) -> (B, T, H)
        if not self.training or self.rate == 0:
            return x
        mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - self.rate)
        return x * mask.div_(1 - self.rate)


class _HandwrittenLayer(nn.Module):
    """The base class of hand-written layers: the parameters of a one-layer `nn.LSTM`, and the time loop."""

    gates: int

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        rows, bound = self.gates * hidden_size, hidden_size**-0.5
        self.weight_ih_l0: nn.Parameter = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh_l0: nn.Parameter = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0: nn.Parameter = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh_l0: nn.Parameter = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Inputs (B, T, D) and the state before, (1, B, H) each -> outputs (B, T, H) and the state after."""
        if state is None:
            state = (x.new_zeros(1, len(x), self.hidden_size),) * 2
        h, c = state[0][0], state[1][0]
        outputs = []
        # The input part does not depend on the state, so one product computes it for all time steps.
        for from_input in F.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0).unbind(dim=1):
            h, c = self.activate(from_input + h @ self.weight_hh_l0.T, c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h[None], c[None])

    @staticmethod
    def activate(a: torch.Tensor, c: torch.Tensor) -> State:
        """Pre-activations (B, gates x H) and the previous c (B, H) -> the new h and c (B, H)."""
        raise NotImplementedError


class HandwrittenLSTM(_HandwrittenLayer):
    """`nn.LSTM(input_size, hidden_size, batch_first=True)`, computed gate by gate with autograd."""

    gates = 4

    @staticmethod
    def activate(a: torch.Tensor, c: torch.Tensor) -> State:
        i, f, g, o = a.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class HandwrittenRNN(_HandwrittenLayer):
    """`nn.RNN(input_size, hidden_size, batch_first=True)` with autograd. It passes c on without using it."""

    gates = 1

    @staticmethod
    def activate(a: torch.Tensor, c: torch.Tensor) -> State:
        return torch.tanh(a), c


class _FusedLSTM(nn.LSTM):
    """One layer of `nn.LSTM`, with the same constructor as the hand-written layers."""

    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size, batch_first=True)


Layer = _FusedLSTM | _HandwrittenLayer
CELLS: dict[str, type[Layer]] = {
    "lstm": _FusedLSTM,
    "handwritten_lstm": HandwrittenLSTM,
    "handwritten_rnn": HandwrittenRNN,
}


class LSTMStack(nn.Module):
    """Recurrent layers of the same width, with locked dropout before, between and after them.

    Each layer is a separate module, because cuDNN's persistent kernel takes only single layers, and locked
    dropout is applied between them. The parameters are `layers.{layer}.weight_ih_l0` and so on, in the gate
    order i, f, g, o.

    Args:
        hidden_size: H, the width of every layer.
        num_layers: the number of layers.
        input_dropout, layer_dropout, output_dropout: the rates before, between and after the layers.
        cell: a key of CELLS.
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        input_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        output_dropout: float = 0.0,
        cell: str = "lstm",
    ):
        super().__init__()
        self.layers: nn.ModuleList = nn.ModuleList(
            CELLS[cell](hidden_size, hidden_size) for _ in range(num_layers)
        )
        rates = [input_dropout, *[layer_dropout] * (num_layers - 1), output_dropout]
        self.dropouts: nn.ModuleList = nn.ModuleList(map(LockedDropout, rates))

    def cells(self) -> list[Layer]:
        """The layers, from the first to the last."""
        return [cast(Layer, layer) for layer in self.layers]

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Inputs (B, T, H) and the state before them -> outputs (B, T, H) and the state after them."""
        outputs, state = self.outputs(x, state)
        return outputs[-1], state

    def outputs(
        self, x: torch.Tensor, state: State | None = None, *, dropout: bool = True
    ) -> tuple[list[torch.Tensor], State]:
        """Like `forward`, but returns the outputs (B, T, H) of every layer, after its dropout.

        Without `dropout` they are those of evaluation mode, whatever the mode of the module.
        """
        dropouts = list(self.dropouts) if dropout else [nn.Identity()] * len(self.dropouts)
        x = dropouts[0](x)
        outputs, hidden, cell = [], [], []
        for index, layer in enumerate(self.layers):
            before = None if state is None else (state[0][index : index + 1], state[1][index : index + 1])
            x, (h, c) = layer(x, before)
            x = dropouts[index + 1](x)
            outputs.append(x)
            hidden.append(h)
            cell.append(c)
        return outputs, (torch.cat(hidden), torch.cat(cell))


def new_embedding(vocab_size: int, hidden_size: int) -> dict[str, torch.Tensor]:
    """Initial weights of the parameters with a row per token, by their names in an LSTMLanguageModel."""
    # the values are small, because the embedding is also the output layer
    weight = torch.empty(vocab_size, hidden_size).uniform_(-0.05, 0.05)
    return {"embedding.weight": weight, "bias": torch.zeros(vocab_size)}


class LSTMLanguageModel(nn.Module):
    """The network: an embedding, an LSTMStack, and the embedding again as the output layer.

    Args:
        vocab_size: V, the number of token ids.
        hidden_size: H, the width of the embedding and of every layer.
        num_layers, input_dropout, layer_dropout, output_dropout, cell: see LSTMStack.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        num_layers: int,
        input_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        output_dropout: float = 0.0,
        cell: str = "lstm",
    ):
        super().__init__()
        # nn.Embedding(…) is not used, because its initialization takes a second on the meta device
        weight = torch.empty(vocab_size, hidden_size)
        self.embedding: nn.Embedding = nn.Embedding.from_pretrained(weight, freeze=False)  # type: ignore[no-untyped-call]
        self.lstm: LSTMStack = LSTMStack(
            hidden_size, num_layers, input_dropout, layer_dropout, output_dropout, cell
        )
        self.bias: nn.Parameter = nn.Parameter(torch.empty(vocab_size))
        if not self.bias.is_meta:
            self._initialize(hidden_size)

    @torch.no_grad()
    def _initialize(self, hidden_size: int) -> None:
        """Initializes the weights.

        The recurrent weights are orthogonal, the biases of the forget gates are 1 and all others 0, and the
        input weights keep torch's default.
        """
        for name, value in new_embedding(*self.embedding.weight.shape).items():
            self.get_parameter(name).copy_(value)
        for layer in self.lstm.cells():
            nn.init.orthogonal_(layer.weight_hh_l0)
            layer.bias_ih_l0.zero_()
            layer.bias_hh_l0.zero_()
            if len(layer.bias_ih_l0) == 4 * hidden_size:
                layer.bias_ih_l0[hidden_size : 2 * hidden_size] = 1.0

    def outputs(
        self, ids: torch.Tensor, state: State | None = None, *, dropout: bool = True
    ) -> tuple[list[torch.Tensor], State]:
        """Like `hidden_states`, but returns the outputs (B, T, H) of every layer."""
        return self.lstm.outputs(self.embedding(ids), state, dropout=dropout)

    def hidden_states(
        self, ids: torch.Tensor, state: State | None = None, *, dropout: bool = True
    ) -> tuple[torch.Tensor, State]:
        """Ids (B, T) and the state before them -> the last layer's outputs (B, T, H) and the state after.

        Without `dropout` they are those of evaluation mode, whatever the mode of the model.
        """
        outputs, state = self.outputs(ids, state, dropout=dropout)
        return outputs[-1], state

    def project(self, hidden: torch.Tensor, ids: torch.Tensor | None = None) -> torch.Tensor:
        """Outputs of the last layer (..., H) -> raw logits (..., V), with the tied embedding and the bias.

        Args:
            hidden: (..., H).
            ids: (C,) the ids whose logits (..., C) are needed; None for all V.
        """
        if ids is None:
            return F.linear(hidden, self.embedding.weight, self.bias)
        return F.linear(hidden, self.embedding(ids), self.bias[ids])

    def forward(self, ids: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Ids (B, T) and the state before them -> raw logits (B, T, V) and the state after them."""
        hidden, state = self.hidden_states(ids, state)
        return self.project(hidden), state

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
