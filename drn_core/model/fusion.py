"""How coarse image, detail residual and face become one picture."""

from __future__ import annotations

from torch import Tensor

__all__ = ["fuse"]


def fuse(coarse: Tensor, detail: Tensor | None, face: Tensor | None, face_mask: Tensor | None) -> Tensor:
    """Compose the output.

    Convention:
        I_t = (1 - M_F) (I_c + R_t) + M_F I_F, written so that M_F = 0 leaves I_c + R_t bit-exact.

    Args:
        coarse: I_c, (B, 3, h, w).
        detail: R_t, (B, 3, h, w), or None.
        face: I_F, (B, 3, h, w), or None.
        face_mask: M_F, (B, 1, h, w), or None.

    Returns:
        I_t, (B, 3, h, w).

    Source: DRN paper, composition equation (DESIGN.md).
    """
    base = coarse if detail is None else coarse + detail
    if face is None or face_mask is None:
        return base
    return base + face_mask * (face - base)
