"""How far a backend may be from the reference, per dtype: one table for all ops.

All backends compute the same expressions in the same order, in float32 (float64 for float64), so most agree to the
last bit; what is left is exp, sums over channels in vector lanes, and rounding to the stored dtype.
"""

from __future__ import annotations

import torch
from torch import Tensor

# dtype: (absolute, relative). A byte may round the other way; halves keep 11 bits, bfloat16 8.
FORWARD = {
    torch.float64: (1e-12, 1e-12),
    torch.float32: (2e-6, 2e-6),
    torch.float16: (1e-3, 2e-3),
    torch.bfloat16: (8e-3, 1.6e-2),
    torch.uint8: (1.0, 0.0),
}


def assert_near(actual: Tensor, expected: Tensor, *, slack: float = 1.0) -> None:
    """Hold a result against the reference's; `slack` widens the table where a test says why."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    absolute, relative = FORWARD[actual.dtype]
    scale = expected.double().nan_to_num(0.0, 0.0, 0.0).abs().amax().item() if expected.numel() else 0.0
    torch.testing.assert_close(
        actual.double(),
        expected.double(),
        atol=slack * absolute * max(scale, 1.0),
        rtol=slack * relative,
        equal_nan=True,
    )
