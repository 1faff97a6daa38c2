"""rasterize_prior: coverage, depth, layers, peels and holes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kernels.errors import DtypeError, ShapeError
from kernels.rasterize_prior import PriorRaster, rasterize_prior
from tests.kernels.conftest import Runner
from tests.kernels.meshes import grid_mesh, random_scene

SQUARE = torch.tensor([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0], [1.0, 5.0]])
SQUARE_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def draw(run: Runner, scene: dict[str, Any], **options: Any) -> PriorRaster:
    names = ("target_xy", "depth", "source_xy", "triangles", "triangle_layer", "triangle_part", "layer_order")
    options = {"size_hw": (8, 8), **options}
    raster: PriorRaster = run(rasterize_prior, *(scene[name] for name in names), scene["layer_alpha"], **options)
    return raster


def one_layer(target: Tensor, faces: Tensor, *, source: Tensor | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "target_xy": target[None],
        "depth": torch.zeros(1, len(target)),
        "source_xy": target if source is None else source,
        "triangles": faces,
        "triangle_layer": torch.zeros(len(faces), dtype=torch.int32),
        "triangle_part": torch.arange(len(faces)),
        "layer_order": torch.zeros(1, 1, dtype=torch.int64),
        "layer_alpha": torch.full((1, 8, 8), 255, dtype=torch.uint8),
        **changes,
    }


def test_a_square_owns_its_top_and_left_edge(run: Runner) -> None:
    raster = draw(run, one_layer(SQUARE, SQUARE_FACES))
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:5, 1:5] = True
    assert torch.equal(raster.layer[0, 0] == 0, expected)
    assert torch.equal(raster.depth[0, 0] == 0.0, expected)
    assert torch.equal(raster.visibility[0, 0] == 1.0, expected)
    assert torch.equal(raster.part[0, 0] >= 0, expected)
    assert (raster.layer[0, 1] == -1).all()
    assert (raster.depth[0, 1] == math.inf).all()
    assert (raster.flow[0, :, :, ~expected] == 0).all()
    assert raster.part[0, 0, 1, 4] == 0
    assert raster.part[0, 0, 4, 1] == 1


@pytest.mark.parametrize("seed", range(6))
def test_neighbours_leave_no_crack_and_draw_no_pixel_twice(run: Runner, seed: int) -> None:
    vertices, faces = grid_mesh(5, 5, 3.0, (0.5, 0.5))
    inner = ((vertices > 1) & (vertices < 15)).all(dim=1, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    bent = vertices + inner * (torch.rand(vertices.shape, generator=generator) * 1.6 - 0.8)
    total = torch.zeros(18, 18)
    for face in faces:
        scene = one_layer(bent, face[None], layer_alpha=torch.full((1, 18, 18), 255, dtype=torch.uint8))
        total += draw(run, scene, size_hw=(18, 18)).layer[0, 0] == 0
    expected = torch.zeros(18, 18)
    expected[1:16, 1:16] = 1
    assert torch.equal(total, expected)


def test_rest_gives_a_flow_of_exactly_zero_and_a_shift_a_constant_one(run: Runner) -> None:
    generator = torch.Generator().manual_seed(1)
    vertices, faces = grid_mesh(4, 4, 1.7, (0.3, 0.4))
    vertices = vertices + torch.rand(vertices.shape, generator=generator) * 0.3
    assert (draw(run, one_layer(vertices, faces)).flow == 0).all()
    vertices = (vertices * 64).round() / 64  # so that the inputs themselves are a shift, to the last bit
    raster = draw(run, one_layer(vertices + 0.5, faces, source=vertices + torch.tensor([2.5, 0.25])))
    covered = raster.layer[0, 0] == 0
    assert covered.sum() > 20
    assert (raster.flow[0, 0, 0, covered] == 2.0).all()
    assert (raster.flow[0, 0, 1, covered] == -0.25).all()


def test_flow_and_depth_are_affine(run: Runner) -> None:
    scene = one_layer(SQUARE, SQUARE_FACES, source=SQUARE * 1.25 - 0.5)
    scene["depth"] = (SQUARE[:, 0] + 10 * SQUARE[:, 1])[None]
    raster = draw(run, scene)
    y, x = (raster.layer[0, 0] == 0).nonzero(as_tuple=True)
    torch.testing.assert_close(raster.flow[0, 0, 0, y, x], x * 0.25 - 0.5)
    torch.testing.assert_close(raster.depth[0, 0, y, x], x + 10.0 * y)


def test_the_nearer_of_one_layer_wins_and_the_first_where_they_are_level(run: Runner) -> None:
    target, faces = torch.cat([SQUARE, SQUARE]), torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    for depths, first_part in (((2.0, 1.0), 2), ((1.0, 2.0), 0), ((1.0, 1.0), 0)):
        depth = torch.tensor(depths).repeat_interleave(4)[None]
        raster = draw(run, one_layer(target, faces, depth=depth))
        assert raster.part[0, 0, 1, 4] == first_part
        assert (raster.layer[0, 1] == -1).all()


def two_layers(**changes: Any) -> dict[str, Any]:
    faces = torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    scene = one_layer(torch.cat([SQUARE, SQUARE + 1.0]), faces)
    scene["triangle_layer"] = torch.tensor([0, 0, 1, 1])
    scene["layer_order"] = torch.tensor([[0, 1]])
    scene["layer_alpha"] = torch.full((2, 8, 8), 255, dtype=torch.uint8)
    return {**scene, **changes}


def test_a_layer_moves_what_it_covers_one_peel_back(run: Runner) -> None:
    raster = draw(run, two_layers(), num_peels=3)
    assert raster.layer[0, :, 3, 3].tolist() == [1, 0, -1]
    assert raster.layer[0, :, 1, 1].tolist() == [0, -1, -1]
    assert raster.layer[0, :, 5, 5].tolist() == [1, -1, -1]
    raster = draw(run, two_layers(layer_order=torch.tensor([[1, 0]])), num_peels=1)
    assert raster.layer[0, :, 3, 3].tolist() == [0]  # what fell behind the last peel is gone


def test_depth_does_not_matter_between_layers(run: Runner) -> None:
    depth = torch.tensor([0.0] * 4 + [9.0] * 4)[None]
    assert draw(run, two_layers(depth=depth)).layer[0, 0, 3, 3] == 1


def test_layers_left_out_are_not_drawn(run: Runner) -> None:
    raster = draw(run, two_layers(layer_order=torch.tensor([[-1, 1]])))
    assert raster.layer[0, :, 3, 3].tolist() == [1, -1]
    assert (draw(run, two_layers(layer_order=torch.zeros(1, 0, dtype=torch.int64))).layer == -1).all()


def test_a_hole_hides_nothing(run: Runner) -> None:
    target, faces = torch.cat([SQUARE, SQUARE]), torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    alpha = torch.full((1, 8, 16), 255, dtype=torch.uint8)
    alpha[0, :, 8:] = 0  # where the nearer square looks
    depth = torch.tensor([1.0] * 4 + [0.0] * 4)[None]
    source = torch.cat([SQUARE, SQUARE + torch.tensor([8.0, 0.0])])
    raster = draw(run, one_layer(target, faces, source=source, depth=depth, layer_alpha=alpha))
    assert set(raster.part[0, 0, 1:5, 1:5].flatten().tolist()) == {0, 1}


@pytest.mark.parametrize("byte", [True, False])
def test_visibility_is_what_the_peels_let_through(run: Runner, byte: bool) -> None:
    alpha = torch.stack([torch.full((8, 8), 0.6), torch.full((8, 8), 0.2)])
    raster = draw(run, two_layers(layer_alpha=(alpha * 255).byte() if byte else alpha))
    assert raster.visibility[0, 0, 1, 1].item() == pytest.approx(0.6)
    assert raster.visibility[0, 0, 5, 5].item() == pytest.approx(0.2)
    assert raster.visibility[0, 0, 3, 3].item() == pytest.approx(1 - 0.4 * 0.8)


def test_the_silhouette_is_smooth(run: Runner) -> None:
    alpha = torch.zeros(1, 8, 8, dtype=torch.uint8)
    alpha[0, :, 3:] = 255
    raster = draw(run, one_layer(SQUARE, SQUARE_FACES, source=SQUARE + torch.tensor([0.25, 0.0]), layer_alpha=alpha))
    assert raster.visibility[0, 0, 2].tolist() == [0, 0, 0.25, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e6])
@pytest.mark.parametrize("name", ["target_xy", "source_xy", "depth"])
def test_a_vertex_that_is_nowhere_drops_its_triangle(run: Runner, name: str, bad: float) -> None:
    if name == "depth" and bad == 1e6:
        pytest.skip("a depth may be large")
    scene = one_layer(SQUARE.clone(), SQUARE_FACES, source=SQUARE.clone())
    scene[name] = scene[name].clone()
    scene[name].view(-1)[3 if name == "depth" else 6] = bad  # of the second triangle alone
    raster = draw(run, scene)
    assert (raster.part[0, 0] == 0).sum() == 10
    assert (raster.part[0, 0] == 1).sum() == 0
    assert raster.flow.isfinite().all()


def test_flat_and_flipped_triangles(run: Runner) -> None:
    flat = one_layer(SQUARE, torch.tensor([[0, 0, 1], [0, 1, 1]]))
    assert (draw(run, flat).layer == -1).all()
    flipped = draw(run, one_layer(SQUARE, SQUARE_FACES.flip(1)))
    assert torch.equal(flipped.layer, draw(run, one_layer(SQUARE, SQUARE_FACES)).layer)
    mirrored = SQUARE * torch.tensor([-1.0, 1.0]) + torch.tensor([6.0, 0.0])
    raster = draw(run, one_layer(mirrored, SQUARE_FACES, source=SQUARE))
    assert raster.flow[0, 0, 0, 2, 1:5].tolist() == [4.0, 2.0, 0.0, -2.0]


def test_triangles_far_outside_and_larger_than_the_picture(run: Runner) -> None:
    assert (draw(run, one_layer(SQUARE + 1000.0, SQUARE_FACES)).layer == -1).all()
    huge = torch.tensor([[-30000.0, -30000.0], [30000.0, -30000.0], [0.0, 30000.0]])
    raster = draw(run, one_layer(huge, torch.tensor([[0, 1, 2]])))
    assert (raster.layer[0, 0] == 0).all()
    assert (raster.flow == 0).all()


@pytest.mark.parametrize("size_hw", [(0, 0), (1, 1), (3, 0), (5, 70)])
def test_odd_sizes(run: Runner, size_hw: tuple[int, int]) -> None:
    raster = draw(run, one_layer(SQUARE * 20 - 21, SQUARE_FACES), size_hw=size_hw)
    assert raster.flow.shape == (1, 2, 2, *size_hw)
    assert (raster.layer[0, 0] == -1).sum() == 0 or size_hw == (5, 70)


def test_nothing_to_draw(run: Runner) -> None:
    scene = one_layer(torch.zeros(0, 2), torch.zeros(0, 3, dtype=torch.int32))
    assert (draw(run, scene).layer == -1).all()
    scene = one_layer(SQUARE, SQUARE_FACES)
    scene["target_xy"], scene["depth"] = scene["target_xy"][:0], scene["depth"][:0]
    scene["layer_order"] = scene["layer_order"][:0]
    assert draw(run, scene).layer.shape == (0, 2, 8, 8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("byte", [True, False])
@pytest.mark.parametrize("num_peels", [1, 2, 4])
def test_matches_the_reference_to_the_last_bit(
    run: Runner, reference: Runner, seed: int, byte: bool, num_peels: int
) -> None:
    scene = random_scene(seed, byte=byte)
    options = {"size_hw": (40, 50), "num_peels": num_peels, "alpha_threshold": 0.3}
    actual, expected = (draw(runner, scene, **options) for runner in (run, reference))
    assert (expected.layer >= 0).sum() > 300
    for name, found, wanted in zip(PriorRaster._fields, actual, expected, strict=True):
        assert torch.equal(found, wanted), name


def test_is_registered_with_torch() -> None:
    scene = random_scene(0)
    arguments = (*scene.values(), [40, 50], 2, 0.02)
    torch.library.opcheck(torch.ops.retarget_kernels.rasterize_prior.default, arguments)


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_index_errors(backend: str) -> None:
    runner = Runner(backend, "cpu")
    for name, bad, message in (
        ("triangles", SQUARE_FACES + 1, r"triangles: expected values in \[0, 3\], got 1 to 4"),
        ("triangle_layer", torch.tensor([0, 1]), r"triangle_layer: expected values in \[0, 0\], got 0 to 1"),
        ("triangle_part", torch.tensor([0, 128]), r"triangle_part: expected values in \[0, 127\]"),
        ("layer_order", torch.tensor([[-2]]), r"layer_order: expected values in \[-1, 0\]"),
    ):
        with pytest.raises(ValueError, match=message):
            draw(runner, one_layer(SQUARE, SQUARE_FACES, **{name: bad}))
    with pytest.raises(ValueError, match="sorted by layer"):
        draw(runner, two_layers(triangle_layer=torch.tensor([1, 1, 0, 0])))


def test_other_errors(reference: Runner) -> None:
    scene = one_layer(SQUARE, SQUARE_FACES)
    with pytest.raises(ShapeError, match=r"depth: expected shape \(1, 4\), got \(1, 3\)"):
        draw(reference, {**scene, "depth": scene["depth"][:, :3]})
    with pytest.raises(DtypeError, match="source_xy: expected dtype float32, got float64"):
        draw(reference, {**scene, "source_xy": scene["source_xy"].double()})
    with pytest.raises(ShapeError, match="size_hw: expected two sizes of 0 to 32768 px"):
        draw(reference, scene, size_hw=(8, 40000))
    with pytest.raises(ValueError, match="num_peels: expected 1 to 8, got 0"):
        draw(reference, scene, num_peels=0)
    with pytest.raises(ValueError, match="alpha_threshold"):
        draw(reference, scene, alpha_threshold=1.5)
    with pytest.raises(ShapeError, match="at most 127 layers"):
        draw(reference, {**scene, "layer_alpha": torch.zeros(128, 1, 1, dtype=torch.uint8)})
