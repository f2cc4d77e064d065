"""The recurrent layers: a stack of LSTMs for training, and its step for decoding. Knows no characters."""

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


class LSTMStack(nn.Module):
    """LSTM layers of one width, with locked dropout before, between and after them.

    Each layer is an `nn.LSTM` of its own: cuDNN's persistent kernel takes only single layers, and locked
    dropout between layers needs them apart. Parameters: `layers.{layer}.weight_ih_l0` and so on, gate order
    i, f, g, o.
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        input_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        output_dropout: float = 0.0,
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM(hidden_size, hidden_size, batch_first=True) for _ in range(num_layers)
        )
        rates = [input_dropout, *[layer_dropout] * (num_layers - 1), output_dropout]
        self.dropouts = nn.ModuleList(map(LockedDropout, rates))

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(B, T, H) and the state before it -> (B, T, H) and the state after it."""
        x = self.dropouts[0](x)
        hidden, cell = [], []
        for index, layer in enumerate(self.layers):
            before = None if state is None else (state[0][index : index + 1], state[1][index : index + 1])
            x, (h, c) = layer(x, before)
            x = self.dropouts[index + 1](x)
            hidden.append(h)
            cell.append(c)
        return x, (torch.cat(hidden), torch.cat(cell))

    def cells(self) -> StackedCells:
        """The same weights, laid out for stepping one character at a time."""
        return StackedCells(self.layers)


class StackedCells:
    """One time step of an LSTMStack: one product a layer, `[x, h] @ [W_ih, W_hh]^T`.

    An `nn.LSTM` called on single characters spends most of its time on set-up; this is several times faster.
    The weights are copies: they do not follow later changes of the layers.
    """

    @torch.no_grad()
    def __init__(self, layers: nn.ModuleList):
        self._products = [
            RowProduct(torch.cat([m.weight_ih_l0, m.weight_hh_l0], dim=1), m.bias_ih_l0 + m.bias_hh_l0)
            for m in layers
        ]
        self._zeros = layers[0].bias_ih_l0.new_zeros(len(layers), 1, layers[0].hidden_size)

    def zero_state(self) -> State:
        """The state before the first character, for a batch of one."""
        return self._zeros, self._zeros

    @torch.inference_mode()
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """(B, H) and the state before it -> (B, H) and the state after it; no gradients, no dropout."""
        hidden, cell = [], []
        for index, product in enumerate(self._products):
            gates = product(torch.cat([x, state[0][index]], dim=1))  # (P, B, 4H / P)
            i, f, g, o = [gate for part in gates for gate in part.chunk(4 // len(gates), dim=1)]
            c = f.sigmoid_() * state[1][index] + i.sigmoid_() * g.tanh_()
            x = o.sigmoid_() * c.tanh()
            hidden.append(x)
            cell.append(c)
        return x, (torch.stack(hidden), torch.stack(cell))


class RowProduct:
    """`x @ W^T + b` for few rows, limited by how fast W is read from memory.

    W is kept transposed, which is read faster for one row, and cut into P parts that as many threads read at
    a time: left to itself, MKL gives a product with one row to one thread.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        parts = 1 if weight.is_cuda else max(p for p in (1, 2, 4) if p <= torch.get_num_threads())
        self._size = len(weight)
        missing = -self._size % parts
        weight, bias = F.pad(weight, (0, 0, 0, missing)), F.pad(bias, (0, missing))
        self._weight = weight.unflatten(0, (parts, -1)).transpose(1, 2).contiguous()  # (P, K, N / P)
        self._bias = bias.view(parts, 1, -1)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:  # (B, K) -> (P, B, N / P)
        return torch.baddbmm(self._bias, x.expand(len(self._weight), -1, -1), self._weight)

    def whole(self, x: torch.Tensor) -> torch.Tensor:  # (B, K) -> (B, N)
        """The product with its parts side by side."""
        return self(x).transpose(0, 1).flatten(1)[:, : self._size]
