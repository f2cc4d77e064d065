"""The recurrent layers: a stack of LSTMs for training, and its step for decoding. Knows no characters."""

from __future__ import annotations

import torch
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
    """One time step of an LSTMStack: one matrix product a layer, `[x, h] @ [W_ih, W_hh]^T`.

    An `nn.LSTM` called on single characters spends most of its time on set-up; this is several times faster.
    The weights are copies: they do not follow later changes of the layers. They are kept transposed, which a
    CPU reads faster for one row than nn.Linear's layout, once they are too many for its cache.
    """

    @torch.no_grad()
    def __init__(self, layers: nn.ModuleList):
        self._weights = [torch.cat([m.weight_ih_l0, m.weight_hh_l0], dim=1).t().contiguous() for m in layers]
        self._biases = [m.bias_ih_l0 + m.bias_hh_l0 for m in layers]

    def zero_state(self, batch_size: int) -> State:
        """The state before the first character."""
        zeros = self._biases[0].new_zeros(len(self._biases), batch_size, len(self._biases[0]) // 4)
        return zeros, zeros

    @torch.inference_mode()
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """(B, H) and the state before it -> (B, H) and the state after it; no gradients, no dropout."""
        hidden, cell = [], []
        for index, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            gates = torch.addmm(bias, torch.cat([x, state[0][index]], dim=1), weight)  # (B, 4H)
            i, f, g, o = gates.chunk(4, dim=1)
            c = f.sigmoid_() * state[1][index] + i.sigmoid_() * g.tanh_()
            x = o.sigmoid_() * c.tanh()
            hidden.append(x)
            cell.append(c)
        return x, (torch.stack(hidden), torch.stack(cell))
