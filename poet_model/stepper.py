"""TorchStepper: fast decoding of one character at a time, with the weights laid out for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .arrays import FloatArray, IntArray
from .layers import HandwrittenRNN, Layer, LSTMStack, State


class TorchStepper:
    """Implements `generation.stepper.Stepper` for a PoetModel, on its device. Logits are NumPy arrays.

    The LSTM weights are copied, the embedding is not: make a new TorchStepper after a weight has changed.

    Args:
        embedding: (V, H), the weight of the embedding and of the output layer.
        bias: (V,), the bias of the output layer.
        lstm: the layers between them.
        reads_float16: whether weights are read as float16 where that is exact and faster.
    """

    @torch.no_grad()
    def __init__(
        self, embedding: torch.Tensor, bias: torch.Tensor, lstm: LSTMStack, *, reads_float16: bool = True
    ):
        self._embedding = embedding.detach()
        self._output = RowProduct(self._embedding, bias.detach(), reads_float16)
        self._cells = StackedCells(lstm.cells(), reads_float16)

    @torch.inference_mode()
    def read(self, ids: Sequence[int], first: int = 0) -> tuple[FloatArray, State]:
        """Reads ids (T,) from the beginning of a stream.

        For the few ids of a prompt this is faster than nn.LSTM, which prepares its weights in every call.

        Returns:
            The logits (T - first, V) after each id from position `first` on, and the state after the last id.
        """
        hidden, state = [], self._cells.zero_state()
        for row in torch.split(self._embedding[self._on_device(ids)], 1):
            output, state = self._cells.step(row, state)
            hidden.append(output)
        return self._logits(torch.cat(hidden[first:])), state

    @torch.inference_mode()
    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Takes ids (B,) and the state before them; returns the next logits (B, V) and the new state."""
        hidden, state = self._cells.step(self._embedding[self._on_device(ids)], state)
        return self._logits(hidden), state

    @torch.inference_mode()
    def select(self, state: State, rows: Sequence[int] | IntArray) -> State:
        """The state of the given rows of the batch; rows may be dropped, repeated or reordered."""
        chosen = self._on_device(rows)
        return state[0][:, chosen], state[1][:, chosen]

    def _on_device(self, numbers: Sequence[int] | IntArray) -> torch.Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self._embedding.device)

    def _logits(self, hidden: torch.Tensor) -> FloatArray:
        logits: FloatArray = self._output(hidden).float().cpu().numpy()
        return logits


class StackedCells:
    """One time step of an LSTMStack, with one product per layer, `[x, h] @ [W_ih, W_hh]^T`.

    An `nn.LSTM` that is called on single characters spends most of its time on set-up; this class is several
    times faster. The weights are copied, so later changes of the layers have no effect.
    """

    @torch.no_grad()
    def __init__(self, layers: Sequence[Layer], reads_float16: bool = True):
        self._products = [
            RowProduct(
                torch.cat([m.weight_ih_l0, m.weight_hh_l0], dim=1),
                m.bias_ih_l0 + m.bias_hh_l0,
                reads_float16,
            )
            for m in layers
        ]
        self._is_rnn = isinstance(layers[0], HandwrittenRNN)
        self._zeros = layers[0].bias_ih_l0.new_zeros(len(layers), 1, layers[0].hidden_size)

    def zero_state(self) -> State:
        """The state before the first character, for a batch of one."""
        return self._zeros, self._zeros

    @torch.inference_mode()
    def step(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Inputs (B, H) and the state before -> outputs (B, H) and the state after, without dropout."""
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
    """The product `x @ W^T + b` for an x with few rows, which is as slow as reading W from memory.

    Weights that float16 can represent exactly (all of them, if the model was saved in float16) are read as
    float16 and multiplied in float32. This halves the bytes and gives the same result. It needs FBGEMM on
    x86; elsewhere the weights are read in their own type.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, reads_float16: bool = True):
        self._plain: tuple[torch.Tensor, torch.Tensor] | None = (weight, bias)
        self._packed: object = None
        is_float32 = weight.device.type == "cpu" and weight.dtype == torch.float32
        if reads_float16 and is_float32 and _has_fbgemm() and torch.equal(weight.half().float(), weight):
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
            self._plain = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:  # (B, K) -> (B, N)
        if self._plain is not None:
            return F.linear(x, *self._plain)
        product: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._packed)
        return product


def _has_fbgemm() -> bool:
    return torch.backends.quantized.engine in ("x86", "fbgemm")
