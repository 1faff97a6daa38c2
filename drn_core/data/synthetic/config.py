"""Settings of the generator of synthetic people."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SyntheticConfig"]


@dataclass(frozen=True)
class SyntheticConfig:
    """What is rendered and how varied it is.

    Attributes:
        size_hw: height and width of the pictures.
        supersampling: samples per pixel side.
        texture_size: side of skin and cloth textures in texels; a power of two, at least 128.
        pairs_per_identity: consecutive pairs (or clips) that share a person; building one costs as much as
            several pairs.
        motion_probability: share of pairs whose two poses are moments of one motion, at most two seconds apart.
        shared_camera_probability: share of pairs seen by one camera that stands still.
        back_probability: share of targets turned any way, backs included.
        source_yaw_degrees: spread of the source's turn away from the camera.
        target_yaw_degrees: spread of the target's turn.
        crop_shares: shares of pictures framed on the whole body, from the knees up, from the waist up.
        floor_shadow_probability: share of whole-body pairs with a shadow on the floor.
        relight_probability: share of pairs whose target has a light of its own.
        cloth_wobble_metres: how far cloth moves of itself between pictures.
        joint_noise: strength of the detector-like errors of `*_observed`; 1 as measured, 0 for none.
        is_lit: False renders the bare textures, without light and shadow.
    """

    size_hw: tuple[int, int] = (256, 256)
    supersampling: int = 2
    texture_size: int = 256
    pairs_per_identity: int = 12
    motion_probability: float = 0.4
    shared_camera_probability: float = 0.75
    back_probability: float = 0.10
    source_yaw_degrees: float = 24.0
    target_yaw_degrees: float = 34.0
    crop_shares: tuple[float, float, float] = (0.60, 0.20, 0.20)
    floor_shadow_probability: float = 0.6
    relight_probability: float = 0.1
    cloth_wobble_metres: float = 0.005
    joint_noise: float = 1.0
    is_lit: bool = True

    def __post_init__(self) -> None:
        if min(self.size_hw) < 32:
            raise ValueError(f"SyntheticConfig.size_hw: expected at least 32 x 32, got {self.size_hw}")
        if self.pairs_per_identity < 1 or self.supersampling < 1:
            raise ValueError("SyntheticConfig: pairs_per_identity and supersampling must be at least 1")
        if abs(sum(self.crop_shares) - 1) > 1e-6:
            raise ValueError(f"SyntheticConfig.crop_shares: expected a sum of 1, got {self.crop_shares}")
