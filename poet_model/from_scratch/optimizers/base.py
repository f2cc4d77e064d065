"""What all optimizers share: the loop over the parameters, checkpoints, and clipping. It needs no layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import quoted
from ..functional import Array, check_shape


class Optimizer:
    """The base class: the loop over the parameters, and the state kept for each between steps.

    A subclass names its state arrays in `slots` and writes its rule in `update`.

    Args:
        parameters: name -> array. The arrays are changed in place.
        learning_rate: η. It may be changed before any step, as the schedules do.
        weight_decay: λ. Adds λ p to g, which is the gradient of λ/2 |p|².
    """

    slots: tuple[str, ...] = ()  # names of the arrays kept for each parameter; they start as zeros

    def __init__(self, parameters: Mapping[str, Array], learning_rate: float, weight_decay: float = 0.0):
        for name, value in (("learning_rate", learning_rate), ("weight_decay", weight_decay)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, got {quoted(value)}")
        self.parameters: dict[str, Array] = dict(parameters)
        self.learning_rate: float = learning_rate
        self.weight_decay: float = weight_decay
        self.steps: int = 0
        self.state: dict[str, dict[str, Array]] = {
            name: {slot: np.zeros_like(p) for slot in self.slots} for name, p in self.parameters.items()
        }

    def step(self, grads: Mapping[str, Array]) -> None:
        """Updates every parameter once; `grads` has a gradient under the name of each."""
        for name, p in self.parameters.items():
            if name not in grads:
                raise ValueError(f"there is no gradient for {name}; given are {', '.join(grads)}")
            check_shape(f"the gradient of {name}", grads[name].shape, p.shape)
        self.steps += 1
        self.begin_step()
        for name, p in self.parameters.items():
            g = grads[name]
            if self.weight_decay:
                g = g + self.weight_decay * p
            self.update(p, g, **self.state[name])

    def begin_step(self) -> None:
        """Computes what is the same for all parameters in this step."""

    def update(self, *_: Any, **slots: Any) -> None:
        """The update rule for p, its gradient g and its state arrays: changes p and the latter in place."""
        raise NotImplementedError

    def state_arrays(self) -> dict[str, Array]:
        """Everything a checkpoint needs, as named arrays."""
        arrays = {f"{slot}.{name}": a for name, slots in self.state.items() for slot, a in slots.items()}
        return arrays | {"steps": np.array(self.steps)}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Restores the state that `state_arrays` returned."""
        for name, own in self.state_arrays().items():
            if name not in arrays:
                raise ValueError(
                    f"the optimizer's state has no {name}: it belongs to another optimizer or model"
                )
            check_shape(name, arrays[name].shape, own.shape)
        for name, slots in self.state.items():
            for slot, array in slots.items():
                array[...] = arrays[f"{slot}.{name}"]
        self.steps = int(arrays["steps"])


def clip_gradients(grads: Mapping[str, Array], max_norm: float) -> float:
    """Scales all gradients by one factor, in place, so that their joint norm is at most `max_norm`.

    The direction of the step stays the same (Pascanu et al. 2013).

    Returns:
        The joint norm before scaling.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
    if norm > max_norm:
        for g in grads.values():
            g *= max_norm / norm
    return norm
