"""The types of NumPy arrays in signatures. Their shapes are in the docstrings, as `(B, V)`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]  # logits, weights and log-probabilities
DoubleArray = npt.NDArray[np.float64]  # random numbers
IntArray = npt.NDArray[np.int64]  # ids and places
BoolArray = npt.NDArray[np.bool_]
