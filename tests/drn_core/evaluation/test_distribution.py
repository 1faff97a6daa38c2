"""Set figures against torchmetrics run on the same features, and by their definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from drn_core.evaluation.distribution import FrechetMeter, ScoreMeter


class TinyNetwork(torch.nn.Module):
    """Eight features of a picture: mean colours of its halves, and two more."""

    num_features = 8

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        pictures = pictures.float() / 255
        halves = torch.cat([pictures[..., :8].mean((2, 3)), pictures[..., 8:].mean((2, 3))], dim=1)
        return torch.cat([halves, pictures.std((1, 2, 3))[:, None], pictures.amax((1, 2, 3))[:, None]], dim=1)


def pictures(count: int, seed: int, brightness: int = 256) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, brightness, (count, 3, 16, 16), generator=generator, dtype=torch.uint8)


def test_frechet_distance_equals_torchmetrics_on_the_same_features() -> None:
    network = TinyNetwork()
    theirs = FrechetInceptionDistance(feature=network, input_img_size=(3, 16, 16))
    ours = FrechetMeter(8)
    for real, seed, brightness in ((True, 0, 256), (False, 1, 200)):
        batch = pictures(50, seed, brightness)
        theirs.update(batch, real=real)
        for part in batch.split(7):  # in whatever portions
            ours.add(network(part), real=real)
    assert ours.compute() == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_frechet_distance_equals_its_definition() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(200, 5)), generator.normal(0.3, 1.5, size=(180, 5))
    root = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected += np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * root)
    meter = FrechetMeter(5)
    meter.add(torch.from_numpy(a), real=True)
    meter.add(torch.from_numpy(b), real=False)
    assert meter.compute() == pytest.approx(expected, rel=1e-4)


def test_equal_sets_are_at_distance_zero_and_one_image_is_no_set() -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    meter = FrechetMeter(6)
    meter.add(features, real=True)
    meter.add(features[:1], real=False)
    assert meter.compute() is None
    meter.add(features[1:], real=False)
    assert meter.compute() == pytest.approx(0, abs=1e-4)


def test_inception_score_equals_torchmetrics_on_the_same_logits() -> None:
    logits = torch.randn(60, 10, generator=torch.Generator().manual_seed(3))
    with pytest.warns(UserWarning, match="save all extracted features"):
        theirs = InceptionScore(feature=torch.nn.Identity(), splits=10)
    theirs.update(logits)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = float(theirs.compute()[0])
    ours = ScoreMeter()
    for part in logits.split(13):
        ours.add(part)
    assert ours.compute() == pytest.approx(expected)
    assert ours.compute() == ours.compute()


def test_inception_score_of_one_class_is_one_and_needs_ten_images() -> None:
    meter = ScoreMeter()
    meter.add(torch.zeros(9, 4))
    assert meter.compute() is None
    meter.add(torch.zeros(11, 4))
    assert meter.compute() == pytest.approx(1.0)


def test_nan_features_are_refused() -> None:
    bad = torch.full((1, 4), float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        FrechetMeter(4).add(bad, real=True)
    with pytest.raises(ValueError, match="NaN"):
        ScoreMeter().add(bad)
