"""What a person wears: the measures a garment is cut by, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drn_core.data.synthetic.fields import BodyLines

__all__ = ["Outfit", "draw_outfit"]


@dataclass(frozen=True)
class Outfit:
    """Measures of top, bottom and shoes.

    Attributes:
        sleeve: where the sleeve ends along the arm: 0 shoulder, 0.5 elbow, 1 wrist.
        hem: height of the top's hem, metres at rest.
        neck_style: "round" or "v".
        neck_depth: how far the neckline reaches down, metres.
        looseness: distance of the top's cloth from the body, metres.
        leg_looseness: likewise of the trousers'.
        has_skirt: skirt in place of trousers.
        is_dress: top and skirt are of one cloth.
        leg: where the trousers end along the leg: 0 hip, 0.5 knee, 1 ankle.
        skirt_hem: height of the skirt's hem, metres at rest.
        flare: how much trousers or skirt widen downwards, 0 to 0.3.
        num_pleats: folds around the skirt.
        shoe_height: where the shoe ends along the leg; below 1 for boots.
        has_socks: socks show above the shoes.
    """

    sleeve: float
    hem: float
    neck_style: str
    neck_depth: float
    looseness: float
    leg_looseness: float
    has_skirt: bool
    is_dress: bool
    leg: float
    skirt_hem: float
    flare: float
    num_pleats: int
    shoe_height: float
    has_socks: bool


def draw_outfit(rng: np.random.Generator, lines: BodyLines, *, is_female: bool) -> Outfit:
    """Draw an outfit for a wearer with the given heights."""
    is_dress = is_female and bool(rng.random() < 0.28)
    has_skirt = is_dress or (is_female and bool(rng.random() < 0.25))
    leg = float(rng.choice([0.28, 0.50, 0.94, 1.0, 1.02], p=[0.13, 0.15, 0.30, 0.22, 0.20]))
    knee = lines.crotch - 0.36
    return Outfit(
        sleeve=float(rng.choice([0.06, 0.22, 0.30, 0.42, 0.62, 0.97], p=[0.10, 0.18, 0.25, 0.12, 0.10, 0.25])),
        hem=lines.waist - 0.01 if is_dress else rng.uniform(lines.hip - 0.08, lines.waist - 0.06),
        neck_style=str(rng.choice(["round", "v"], p=[0.7, 0.3])),
        neck_depth=rng.uniform(0.0, 0.05),
        looseness=rng.uniform(0.004, 0.026),
        leg_looseness=rng.uniform(0.002, 0.026),
        has_skirt=has_skirt,
        is_dress=is_dress,
        leg=leg,
        skirt_hem=float(rng.uniform(lines.ankle + 0.12, knee + 0.18)),
        flare=float(rng.uniform(0.0, 0.28)) if has_skirt else float(rng.choice([0.0, rng.uniform(0.0, 0.5)])),
        num_pleats=int(rng.integers(6, 14)),
        shoe_height=float(rng.choice([1.04, 0.99, 0.90, 0.78], p=[0.55, 0.25, 0.12, 0.08])),
        has_socks=bool(rng.random() < 0.5),
    )
