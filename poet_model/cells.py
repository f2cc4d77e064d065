"""The recurrent layers: torch's LSTM or hand-written ones, in a stack; and its step for decoding."""

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
        self._is_rnn = isinstance(layers[0], HandwrittenRNN)
        self._zeros = layers[0].bias_ih_l0.new_zeros(len(layers), 1, layers[0].hidden_size)

    def zero_state(self) -> State:
        """The state before the first character, for a batch of one."""
        return self._zeros, self._zeros

    @torch.inference_mode()
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """(B, H) and the state before it -> (B, H) and the state after it; no gradients, no dropout."""
        hidden, cell = [], []
        for index, product in enumerate(self._products):
            a, c = product(torch.cat([x, state[0][index]], dim=1)), state[1][index]
            if self._is_rnn:
                x = a.tanh_()
            else:
                i, f, g, o = a.chunk(4, dim=1)
                c = torch.addcmul(f.sigmoid_() * c, i.sigmoid_(), g.tanh_())
                x = o.sigmoid_() * c.tanh()
            hidden.append(x)
            cell.append(c)
        return x, (torch.stack(hidden), torch.stack(cell))


class RowProduct:
    """`x @ W^T + b` for few rows, which is limited by how fast W is read from memory.

    Weights that float16 holds exactly, as it does all that come from a saved model, are read as float16 and
    multiplied in float32: half the bytes, the same result. FBGEMM does that on x86; elsewhere they are read
    as they are.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self._weight, self._bias, self._packed = weight, bias, None
        is_float32 = weight.device.type == "cpu" and weight.dtype == torch.float32
        if is_float32 and _has_fbgemm() and torch.equal(weight.half().float(), weight):
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
            self._weight = self._bias = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:  # (B, K) -> (B, N)
        if self._packed is None:
            return F.linear(x, self._weight, self._bias)
        return torch.ops.quantized.linear_dynamic_fp16(x, self._packed)


def _has_fbgemm() -> bool:
    return torch.backends.quantized.engine in ("x86", "fbgemm")
