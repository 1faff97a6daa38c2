"""What is kept of photos and drivers gives back what it was made from, and is made anew when it can't be trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drn_core.prior.parts import LIMBS, Layer, Part
from drn_core.prior.person import PersonLayers, build_person
from drn_core.prior.surface import SurfaceTrack, TrackedPoints
from retarget.cache import Cache, Payload
from retarget.packed_picture import pack_map, pack_picture, unpack_map, unpack_picture
from retarget.person.matte import Matte
from retarget.pipeline import source_cache
from retarget.pipeline.layers_store import pack_layers, unpack_layers
from retarget.pipeline.source import SourceModel
from retarget.pipeline.source_cache import cached_source
from retarget.pipeline.surface_store import pack_surface, unpack_surface
from tests.helpers.figure import figure

SURFACE = SurfaceTrack(
    TrackedPoints(np.array([[1.5, 2.0], [3.0, 4.25]], np.float32), np.array([0, 8], np.int32), 211.5),
    np.arange(12, dtype=np.float16).reshape(3, 2, 2),
)


def assert_same(first: object, second: object, where: str = "") -> None:
    """Compare whole trees of dataclasses, to the last bit and type."""
    assert type(first) is type(second), where
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        assert first.dtype == second.dtype, where
        assert np.array_equal(first, second), where
    elif dataclasses.is_dataclass(first):
        for field in dataclasses.fields(first):
            assert_same(getattr(first, field.name), getattr(second, field.name), f"{where}.{field.name}")
    else:
        assert first == second, where


@pytest.fixture(scope="module")
def person() -> PersonLayers:
    """A person with every field set to something."""
    return dataclasses.replace(
        build_person(figure().source),
        rebuilt=(LIMBS[3],),
        lengthened=(Part.LEFT_FOREARM,),
        regrown=(Part.RIGHT_SHIN,),
        photo_joints=np.arange(66.0).reshape(33, 2),
        shown_layers=(Layer.LEFT_LOWER_ARM,),
    )


def test_pictures_come_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    for channels in (3, 4):
        picture = rng.integers(0, 256, (7, 5, channels), dtype=np.uint8)
        assert_same(unpack_picture(pack_picture(picture), (7, 5, channels)), picture)
    values = rng.normal(size=(7, 5)).astype(np.float32)
    assert_same(unpack_map(pack_map(values), (7, 5)), values)


@pytest.mark.parametrize("packed", [np.zeros(9, np.uint8), pack_picture(np.zeros((4, 6, 3), np.uint8))])
def test_other_bytes_are_no_picture(packed: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not a packed picture"):
        unpack_picture(packed, (6, 4, 3))


def test_layers_come_back_to_the_last_bit(person: PersonLayers) -> None:
    assert_same(unpack_layers(pack_layers(person)), person)
    without_joints = dataclasses.replace(person, photo_joints=None)
    assert_same(unpack_layers(pack_layers(without_joints)), without_joints)


def test_every_field_of_the_layers_is_kept(person: PersonLayers) -> None:
    unset = PersonLayers(person.textures, person.origin_xy, person.mesh, person.body, person.head, person.size_hw)
    names = [field.name for field in dataclasses.fields(PersonLayers)][6:]
    assert all(repr(getattr(person, name)) != repr(getattr(unset, name)) for name in names), "set new ones above"


def test_surfaces_come_back_to_the_last_bit() -> None:
    assert_same(unpack_surface(pack_surface(SURFACE), 3), SURFACE)
    assert unpack_surface(pack_surface(None), 3) is None
    with pytest.raises(ValueError, match="does not fit the track"):
        unpack_surface(pack_surface(SURFACE), 4)


def without(payload: Payload, name: str) -> Payload:
    return Payload({key: array for key, array in payload.arrays.items() if key != name}, payload.facts)


@pytest.mark.parametrize("missing", ["mesh_weights", "body_depth", "head_down"])
def test_layers_that_lack_something_are_damaged(person: PersonLayers, missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        unpack_layers(without(pack_layers(person), missing))


class Kitchen:
    """Counts how often a source is made from a photo."""

    def __init__(self, person: PersonLayers, monkeypatch: pytest.MonkeyPatch) -> None:
        self._person = person
        self.readings, self.cuts = 0, 0
        monkeypatch.setattr(source_cache, "build_source", self.build)
        monkeypatch.setattr(source_cache, "layer_person", self.cut)

    def build(self, rgb: Any, **_: Any) -> SourceModel:
        self.readings += 1
        drawn = figure()
        plate = np.full_like(drawn.rgb, 90)
        return SourceModel(drawn.rgb, drawn.pose, Matte(drawn.alpha, drawn.rgb), plate, self._person, 1)

    def cut(self, *_: Any) -> PersonLayers:
        self.cuts += 1
        return self._person


@pytest.fixture
def kitchen(person: PersonLayers, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    return Kitchen(person, monkeypatch)


def test_the_second_job_of_a_photo_makes_nothing(tmp_path: Path, kitchen: Kitchen) -> None:
    rgb = figure().rgb
    first, second = (cached_source(rgb, cache=Cache(tmp_path)) for _ in range(2))
    assert (kitchen.readings, kitchen.cuts) == (1, 0)
    assert_same(second, first)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "truncated": lambda data: data[: len(data) // 3],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("kind", "made"), [("photo-reading", (2, 0)), ("person-layers", (1, 1))])
def test_a_damaged_entry_alone_is_made_anew(
    tmp_path: Path, kitchen: Kitchen, kind: str, damage: str, made: tuple[int, int]
) -> None:
    rgb = figure().rgb
    first = cached_source(rgb, cache=Cache(tmp_path))
    (entry,) = tmp_path.glob(f"{kind}/??/*.npz")
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGE[damage](whole))
    assert_same(cached_source(rgb, cache=Cache(tmp_path)), first)
    assert (kitchen.readings, kitchen.cuts) == made
    assert entry.read_bytes() == whole


def test_changed_code_takes_up_nothing_old(tmp_path: Path, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = figure().rgb
    cached_source(rgb, cache=Cache(tmp_path))
    real = source_cache.code_digest

    def changed(*patterns: str) -> str:
        return real(*patterns) + ("b" if "drn_core/prior/*.py" in patterns else "")

    monkeypatch.setattr(source_cache, "code_digest", changed)
    cached_source(rgb, cache=Cache(tmp_path))
    assert (kitchen.readings, kitchen.cuts) == (1, 1), "only the layers depend on that code"
    monkeypatch.setattr(source_cache, "code_digest", lambda *patterns: "c")
    cached_source(rgb, cache=Cache(tmp_path))
    assert kitchen.readings == 2
