"""Retrieval by hand-computed tables, and its chance level."""

from __future__ import annotations

import numpy as np
import pytest

from drn_core.evaluation.retrieval import colour_descriptor, hit_at, recall_at, relevant_ranks

GALLERY = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5], [-1, 0]], np.float32)
GALLERY_LABELS = ["a", "b", "a", "c", "b"]


def test_ranks_by_hand() -> None:
    queries = np.array([[2, 0], [0, 3]], np.float32)
    # Cosines of the first query: 1, .99, 0, .71, -1 -> order 0 1 3 2 4; of the second: 0, .11, 1, .71, 0 -> 2 3 1 0 4.
    ranks = relevant_ranks(queries, GALLERY, ["a", "b"], GALLERY_LABELS)
    assert ranks[0].tolist() == [0, 3]
    assert ranks[1].tolist() == [2, 4]


@pytest.mark.parametrize(("k", "recall", "hit"), [(1, 0.5, 1), (3, 0.5, 1), (4, 1.0, 1)])
def test_recall_and_hit_rate_by_hand(k: int, recall: float, hit: float) -> None:
    ranks = np.array([0, 3])
    assert recall_at(ranks, k) == recall
    assert hit_at(ranks, k) == hit


def test_no_hit() -> None:
    assert hit_at(np.array([2, 4]), 2) == 0


def test_equal_similarities_keep_the_gallerys_order() -> None:
    gallery = np.ones((4, 3), np.float32)
    ranks = relevant_ranks(np.ones((1, 3), np.float32), gallery, ["x"], ["y", "x", "y", "x"])
    assert ranks[0].tolist() == [1, 3]


def test_perfect_features_find_everything_and_random_ones_are_at_chance() -> None:
    generator = np.random.default_rng(0)
    labels = [str(index % 50) for index in range(200)]
    perfect = np.eye(50, dtype=np.float32)[np.array(labels, int)]
    ranks = relevant_ranks(perfect, perfect, labels, labels)
    assert np.mean([recall_at(r, 4) for r in ranks]) == 1.0
    gallery = generator.normal(size=(200, 64)).astype(np.float32)
    queries = generator.normal(size=(2000, 64)).astype(np.float32)
    ranks = relevant_ranks(queries, gallery, labels * 10, labels)
    assert np.mean([recall_at(r, 20) for r in ranks]) == pytest.approx(20 / 200, abs=0.01)


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        (np.zeros((0, 2), np.float32), GALLERY, "queries: there is no image"),
        (np.ones((1, 2), np.float32), np.zeros((0, 2), np.float32), "gallery: there is no image"),
        (np.array([[np.nan, 1]], np.float32), GALLERY, "queries: 1 of 1 features are NaN"),
        (np.zeros((1, 2), np.float32), GALLERY, "queries: 1 of 1 features are NaN, infinite or zero"),
        (np.ones((2, 2), np.float32), GALLERY, "2 images, 1 labels"),
    ],
)
def test_bad_features_are_refused(queries: np.ndarray, gallery: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        relevant_ranks(queries, gallery, ["a"] * min(len(queries), 1), GALLERY_LABELS[: len(gallery)])


def test_a_query_without_relevant_image_is_refused() -> None:
    with pytest.raises(ValueError, match="no gallery image is relevant for 'z'"):
        relevant_ranks(np.ones((1, 2), np.float32), GALLERY, ["z"], GALLERY_LABELS)


def figure(colour: tuple[int, int, int]) -> np.ndarray:
    picture = np.full((60, 40, 3), 255, np.uint8)
    picture[10:50, 10:30] = colour
    return picture


def test_colour_descriptor_knows_colour_not_place() -> None:
    red, blue = colour_descriptor(figure((200, 20, 20))), colour_descriptor(figure((20, 20, 200)))
    moved = colour_descriptor(np.roll(figure((200, 20, 20)), 5, axis=1))
    assert np.linalg.norm(red) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(red, moved)
    assert red @ blue == 0


def test_colour_descriptor_of_a_white_picture_is_finite() -> None:
    assert np.isfinite(colour_descriptor(np.full((20, 20, 3), 255, np.uint8))).all()
