"""The recurrent layers: torch's LSTM or hand-written ones, in a stack."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

State = tuple[torch.Tensor, torch.Tensor]  # hidden and cell state, each (L, B, H), as nn.LSTM has them


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
    """What the hand-written cells share: the parameters of a one-layer `nn.LSTM` or `nn.RNN`, the loop."""

    gates: int

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        rows, bound = self.gates * hidden_size, hidden_size**-0.5
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh_l0 = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(B, T, D) and the state before, (1, B, H) each -> (B, T, H) and the state after."""
        if state is None:
            state = (x.new_zeros(1, len(x), self.hidden_size),) * 2
        h, c = state[0][0], state[1][0]
        outputs = []
        # what comes from the input needs no state: one product for all time steps
        for from_input in F.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0).unbind(dim=1):
            h, c = self.activate(from_input + h @ self.weight_hh_l0.T, c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h[None], c[None])

    @staticmethod
    def activate(a: torch.Tensor, c: torch.Tensor) -> State:
        """Pre-activations (B, gates x H) and c before, (B, H) -> h and c after."""
        raise NotImplementedError


class HandwrittenLSTM(_HandwrittenLayer):
    """`nn.LSTM(input_size, hidden_size, batch_first=True)` gate by gate, its gradients left to autograd."""

    gates = 4

    @staticmethod
    def activate(a, c):
        i, f, g, o = a.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class HandwrittenRNN(_HandwrittenLayer):
    """`nn.RNN(input_size, hidden_size, batch_first=True)`, likewise; its c is handed on and not used."""

    gates = 1

    @staticmethod
    def activate(a, c):
        return torch.tanh(a), c


class _FusedLSTM(nn.LSTM):
    """One layer of torch's own."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size, batch_first=True)


CELLS = {"lstm": _FusedLSTM, "handwritten_lstm": HandwrittenLSTM, "handwritten_rnn": HandwrittenRNN}


class LSTMStack(nn.Module):
    """Recurrent layers of one width, with locked dropout before, between and after them.

    Each layer is a module of its own: cuDNN's persistent kernel takes only single layers, and locked
    dropout between layers needs them apart. Parameters: `layers.{layer}.weight_ih_l0` and so on, gate order
    i, f, g, o. `cell` is a name of CELLS.
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
        self.layers = nn.ModuleList(CELLS[cell](hidden_size, hidden_size) for _ in range(num_layers))
        rates = [input_dropout, *[layer_dropout] * (num_layers - 1), output_dropout]
        self.dropouts = nn.ModuleList(map(LockedDropout, rates))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(B, T, H) and the state before it -> (B, T, H) and the state after it."""
        outputs, state = self.outputs(x, state)
        return outputs[-1], state

    def outputs(self, x: torch.Tensor, state: State | None = None) -> tuple[list[torch.Tensor], State]:
        """As `forward`, but (B, T, H) of every layer: what it hands on, after its dropout."""
        x = self.dropouts[0](x)
        outputs, hidden, cell = [], [], []
        for index, layer in enumerate(self.layers):
            before = None if state is None else (state[0][index : index + 1], state[1][index : index + 1])
            x, (h, c) = layer(x, before)
            x = self.dropouts[index + 1](x)
            outputs.append(x)
            hidden.append(h)
            cell.append(c)
        return outputs, (torch.cat(hidden), torch.cat(cell))
