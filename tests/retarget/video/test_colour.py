"""Colours against the defining equations, not against another decoder."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from retarget.video.colour import over_white
from retarget.video.reader import open_video

CELL = 8
LEVELS = (0, 64, 128, 192, 255)
CHART = np.array([(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS][:121], np.float64)
CHART = CHART.reshape(11, 11, 3).repeat(CELL, 0).repeat(CELL, 1)
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""(Kr, Kb) by matrix code point. Source: ITU-T H.273, table 4."""

LIMITED, FULL = 1, 2
SDR, PQ, HLG = 1, 16, 18


def to_ycbcr(rgb: npt.NDArray[np.float64], matrix: int, color_range: int, bits: int) -> list[npt.NDArray[np.int64]]:
    """The defining equations of ITU-T H.273, clause 8.3, on 8-bit RGB."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = np.moveaxis(rgb / 255.0, -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    unit, top = 1 << bits - 8, (1 << bits) - 1
    if color_range == FULL:
        planes = (y * top, cb * top + 128 * unit, cr * top + 128 * unit)
    else:
        planes = ((16 + 219 * y) * unit, (128 + 224 * cb) * unit, (128 + 224 * cr) * unit)
    return [np.rint(plane).clip(0, top).astype(np.int64) for plane in planes]


def write_planes(
    path: Path,
    planes: list[npt.NDArray[np.int64]],
    pixel_format: str,
    *,
    matrix: int = 2,
    color_range: int = 0,
    curve: int = 2,
    primaries: int = 2,
) -> Path:
    """Store one picture without loss (FFV1), tagged as told; chroma is subsampled by picking (the chart is flat)."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, full in zip(frame.planes, planes, strict=True):
        values = full[:: round(height / plane.height), :: round(width / plane.width)]
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        data = values.astype("<u2" if "10" in pixel_format else "u1").view(np.uint8).reshape(plane.height, -1)
        rows[:, : data.shape[1]] = data
        plane.update(rows.tobytes())
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, color_range
        context.color_trc, context.color_primaries = curve, primaries
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def cells_of(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return rgb[CELL // 2 :: CELL, CELL // 2 :: CELL].astype(np.float64)


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_matrices_and_ranges(tmp_path: Path, matrix: int, color_range: int, pixel_format: str) -> None:
    bits = 10 if "10" in pixel_format else 8
    planes = to_ycbcr(CHART, matrix, color_range, bits)
    path = write_planes(tmp_path / "chart.mkv", planes, pixel_format, matrix=matrix, color_range=color_range)
    quick = next(iter(open_video(path))).rgb
    exact = next(iter(open_video(path, exact_colour=True))).rgb
    quick_error = np.abs(cells_of(quick) - cells_of(CHART.astype(np.uint8)))
    exact_error = np.abs(cells_of(exact) - cells_of(CHART.astype(np.uint8)))
    assert quick_error.max() <= 4
    assert quick_error.mean() <= 1.7
    assert exact_error.max() <= 2
    assert exact_error.mean() <= 0.5


@pytest.mark.parametrize(("size_hw", "matrix"), [((480, 640), 5), ((576, 720), 5), ((720, 1280), 1), ((608, 400), 1)])
def test_untagged_pictures_follow_the_players_rule(tmp_path: Path, size_hw: tuple[int, int], matrix: int) -> None:
    colour = np.array([200.0, 40.0, 120.0])
    planes = to_ycbcr(np.broadcast_to(colour, (*size_hw, 3)), matrix, LIMITED, 8)
    rgb = next(iter(open_video(write_planes(tmp_path / "flat.mkv", planes, "yuv420p")))).rgb
    assert np.abs(rgb[100, 100] - colour).max() <= 4


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_gray(tmp_path: Path, color_range: int) -> None:
    levels = np.arange(256).reshape(16, 16).repeat(CELL, 0).repeat(CELL, 1)
    coded = np.rint(levels * 219 / 255 + 16) if color_range == LIMITED else levels
    path = write_planes(tmp_path / "gray.mkv", [coded.astype(np.int64)], "gray", color_range=color_range)
    rgb = next(iter(open_video(path))).rgb
    assert np.abs(rgb.astype(int) - levels[..., None]).max() <= 1


def pq_code(nits: float) -> float:
    """SMPTE ST 2084, equation 5.2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    y = (nits / 10_000) ** m1
    return ((c1 + c2 * y) / (1 + c3 * y)) ** m2


def srgb_of(light: float) -> float:
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def test_pq_keeps_the_midtones_and_rolls_off_highlights(tmp_path: Path) -> None:
    nits = np.array([0.0, 5.0, 20.0, 50.0, 100.0, 203.0, 600.0, 1000.0, 4000.0, 10_000.0])
    ramp = np.array([pq_code(level) for level in nits]) * 255
    picture = np.repeat(ramp[None, :, None], 3, axis=2).repeat(16, 0).repeat(16, 1)
    planes = to_ycbcr(picture, 9, LIMITED, 10)
    path = write_planes(
        tmp_path / "pq.mkv", planes, "yuv420p10le", matrix=9, color_range=LIMITED, curve=PQ, primaries=9
    )
    reader = open_video(path)
    shown = next(frame.rgb for frame in list(reader))[8, 8::16].astype(float)
    assert [code for code, _ in reader.warnings] == ["W105"]
    assert np.ptp(shown, axis=1).max() <= 2
    assert shown[:5, 0] == pytest.approx([srgb_of(level / 203) for level in nits[:5]], abs=3)
    assert np.all(np.diff(shown[:, 0]) > 0)
    assert 205 <= shown[5, 0] <= 220
    assert shown[-1, 0] == pytest.approx(255, abs=1)


def test_hlg_keeps_order_and_middle_gray(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 10)
    picture = np.repeat(ramp[None, :, None], 3, axis=2).repeat(16, 0).repeat(16, 1)
    planes = to_ycbcr(picture, 9, LIMITED, 10)
    path = write_planes(
        tmp_path / "hlg.mkv", planes, "yuv420p10le", matrix=9, color_range=LIMITED, curve=HLG, primaries=9
    )
    shown = next(iter(open_video(path))).rgb[8, 8::16, 1].astype(float)
    assert np.all(np.diff(shown) > 0)
    assert 90 <= np.interp(0.38 * 255, ramp, shown) <= 130  # 18 % gray is coded at 38 %


def test_bt2020_primaries_become_bt709(tmp_path: Path) -> None:
    """BT.709 red, written in BT.2020 primaries (ITU-R BT.2087): comes back as red."""
    light = np.array([0.6274, 0.0691, 0.0164]) * 100
    code = np.array([pq_code(level) for level in light]) * 255
    planes = to_ycbcr(np.broadcast_to(code, (16, 16, 3)), 9, LIMITED, 10)
    path = write_planes(
        tmp_path / "red.mkv", planes, "yuv444p10le", matrix=9, color_range=LIMITED, curve=PQ, primaries=9
    )
    shown = next(iter(open_video(path))).rgb[8, 8].astype(float)
    assert shown[0] == pytest.approx(srgb_of(100 / 203), abs=3)
    assert shown[1:].max() <= 14


def test_over_white_by_hand() -> None:
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    assert over_white(rgba).tolist() == [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]


def test_transparent_gif_lies_over_white(tmp_path: Path) -> None:
    first = Image.new("RGBA", (32, 24), (0, 0, 0, 0))
    first.paste((200, 30, 30, 255), (0, 0, 16, 24))
    second = Image.new("RGBA", (32, 24), (0, 0, 0, 0))
    second.paste((30, 30, 200, 255), (16, 0, 32, 24))
    path = tmp_path / "clear.gif"
    first.save(path, save_all=True, append_images=[second], duration=100, loop=0, disposal=2)
    frames = [frame.rgb for frame in open_video(path)]
    assert frames[0][12, 24].tolist() == [255, 255, 255]
    assert frames[0][12, 4].tolist() == [200, 30, 30]
    assert frames[1][12, 4].tolist() == [255, 255, 255]
    assert frames[1][12, 24].tolist() == [30, 30, 200]
