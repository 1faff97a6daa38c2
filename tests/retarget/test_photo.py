"""Photos are read as people see them, and refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from retarget.config import DecodeLimits
from retarget.errors import InputError, OutputError, UsageError
from retarget.photo import read_photo, write_photo
from tests.retarget.video.clips import constant_pts, make_clip

CORNERS = np.array([[[230, 20, 20], [20, 230, 20]], [[20, 20, 230], [240, 240, 240]]], np.uint8)


def quadrants(height: int = 24, width: int = 40) -> npt.NDArray[np.uint8]:
    return CORNERS.repeat(height // 2, 0).repeat(width // 2, 1)


def corners_of(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return rgb[np.ix_([4, -5], [4, -5])].astype(np.int64)


EXIF_VIEWS = {
    1: quadrants(),
    2: quadrants()[:, ::-1],
    3: quadrants()[::-1, ::-1],
    4: quadrants()[::-1],
    5: quadrants().transpose(1, 0, 2),
    6: np.rot90(quadrants(), -1),
    7: np.rot90(quadrants(), 2).transpose(1, 0, 2),
    8: np.rot90(quadrants(), 1),
}


@pytest.mark.parametrize("orientation", EXIF_VIEWS)
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, extension: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if extension == "webp" else {}
    Image.fromarray(quadrants()).save(tmp_path / f"p.{extension}", exif=exif, **options)
    photo = read_photo(tmp_path / f"p.{extension}")
    assert photo.rgb.shape == EXIF_VIEWS[orientation].shape
    assert np.abs(corners_of(photo.rgb) - corners_of(EXIF_VIEWS[orientation])).max() <= 12
    assert photo.alpha is None


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gamma_profile(gamma: float) -> bytes:
    """An sRGB profile whose three tone curves are replaced by a plain power, by hand."""
    profile = bytearray(srgb_profile())
    curve = b"curv\0\0\0\0\0\0\0\1" + round(gamma * 256).to_bytes(2, "big") + b"\0\0"
    num_tags = int.from_bytes(profile[128:132], "big")
    profile += curve
    for index in range(num_tags):
        at = 132 + 12 * index
        if bytes(profile[at : at + 4]) in (b"rTRC", b"gTRC", b"bTRC"):
            profile[at + 4 : at + 8] = (len(profile) - len(curve)).to_bytes(4, "big")
            profile[at + 8 : at + 12] = len(curve).to_bytes(4, "big")
    profile[0:4] = len(profile).to_bytes(4, "big")
    return bytes(profile)


def test_a_colour_profile_is_carried_out(tmp_path: Path) -> None:
    gray = np.full((8, 8, 3), 128, np.uint8)
    Image.fromarray(gray).save(tmp_path / "p.png", icc_profile=gamma_profile(1.0))
    light = 128 / 255
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert read_photo(tmp_path / "p.png").rgb[4, 4] == pytest.approx([expected] * 3, abs=2)


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    Image.fromarray(quadrants()).save(tmp_path / "p.png", icc_profile=srgb_profile())
    assert np.abs(read_photo(tmp_path / "p.png").rgb.astype(int) - quadrants()).max() <= 1


def test_a_broken_profile_is_no_reason_to_fail(tmp_path: Path) -> None:
    Image.fromarray(quadrants()).save(tmp_path / "p.png", icc_profile=b"not a profile" * 20)
    assert np.array_equal(read_photo(tmp_path / "p.png").rgb, quadrants())


def test_alpha_and_profile_together(tmp_path: Path) -> None:
    rgba = np.dstack([quadrants(), np.full((24, 40), 102, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "p.png", icc_profile=srgb_profile())
    photo = read_photo(tmp_path / "p.png")
    assert np.abs(photo.rgb.astype(int) - quadrants()).max() <= 1
    assert photo.alpha is not None
    assert photo.alpha.dtype == np.float32
    assert np.allclose(photo.alpha, 0.4)


def test_over_by_hand(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [(200, 100, 0, 255), (200, 100, 0, 0), (200, 100, 0, 51)]
    Image.fromarray(rgba).save(tmp_path / "p.png")
    photo = read_photo(tmp_path / "p.png")
    assert photo.over().tolist() == [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]
    assert photo.over((0, 0, 0)).tolist() == [[[200, 100, 0], [0, 0, 0], [40, 20, 0]]]


def test_opaque_alpha_is_none(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([quadrants(), np.full((24, 40), 255, np.uint8)])).save(tmp_path / "p.png")
    photo = read_photo(tmp_path / "p.png")
    assert photo.alpha is None
    assert photo.over() is photo.rgb


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGB", "RGBA", "CMYK"])
def test_modes(tmp_path: Path, mode: str) -> None:
    gray = np.zeros((16, 16, 3), np.uint8)
    gray[:, 8:] = 255
    extension = "tif" if mode == "CMYK" else "png"
    Image.fromarray(gray).convert(mode).save(tmp_path / f"p.{extension}")
    assert np.abs(read_photo(tmp_path / f"p.{extension}").rgb.astype(int) - gray).max() <= 2


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(quadrants()).quantize(8)
    image.save(tmp_path / "p.png", transparency=int(np.asarray(image)[2, 2]))
    photo = read_photo(tmp_path / "p.png")
    assert photo.alpha is not None
    assert photo.alpha[2, 2] == 0
    assert photo.alpha[2, -2] == 1
    assert np.abs(photo.rgb[-2, -2].astype(int) - 240).max() <= 2


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        (np.linspace(0, 65_535, 256).astype(np.uint16), "p.png"),
        (np.linspace(0, 65_535, 256).astype(np.uint16), "p.tif"),
        (np.linspace(0, 1, 256).astype(np.float32), "p.tif"),
        (np.linspace(0, 255, 256).astype(np.float32), "p.tif"),
    ],
)
def test_16_bits_and_floats(tmp_path: Path, levels: npt.NDArray[np.generic], name: str) -> None:
    Image.fromarray(levels.reshape(16, 16)).save(tmp_path / name)
    rgb = read_photo(tmp_path / name).rgb
    assert np.abs(rgb[..., 0].astype(int).ravel() - np.arange(256)).max() <= 1
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_the_first_picture_of_an_animation(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 0, 250)))
    for name in ("p.gif", "p.webp", "p.png"):
        options = {"lossless": True} if name == "p.webp" else {}
        first.save(tmp_path / name, save_all=True, append_images=[second], **options)
        assert read_photo(tmp_path / name).rgb[10, 10].tolist() == [250, 0, 0], name


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "p.png")
    assert read_photo(tmp_path / "p.png").rgb.tolist() == [[[9, 8, 7]]]


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "gif", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated(tmp_path: Path, extension: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / f"p.{extension}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: max(3, int(path.stat().st_size * share))])
    with pytest.raises(InputError, match=r"damaged|not a picture"):
        read_photo(path)


def test_what_is_no_photo_is_told_so(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", constant_pts(2), Fraction(1, 30_000))
    (tmp_path / "clip.mp4").rename(tmp_path / "clip.jpg")
    (tmp_path / "text.jpg").write_text("hello " * 100)
    (tmp_path / "empty.png").touch()
    (tmp_path / "script.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    (tmp_path / "p.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for name, told in {
        "clip.jpg": "is a video, not a photo",
        "text.jpg": "not a picture",
        "empty.png": "the file is empty",
        "script.eps": "not a picture",
        "p.heic": "HEIC pictures are not read",
        "missing.png": "no such file",
        ".": "is a folder",
    }.items():
        with pytest.raises(InputError, match=told):
            read_photo(tmp_path / name)


def test_absurd_sizes_are_refused_before_decoding(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("1", (16, 16)).save(stream, format="PNG")
    data = bytearray(stream.getvalue())
    struct.pack_into(">II", data, 16, 60_000, 40_000)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(InputError, match=r"absurdly large|are larger than"):
        read_photo(tmp_path / "bomb.png")
    Image.new("RGB", (300, 10)).save(tmp_path / "wide.png")
    with pytest.raises(InputError, match="300x10 are larger"):
        read_photo(tmp_path / "wide.png", DecodeLimits(max_side_px=200))


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.jpeg", "p.webp"])
def test_written_photos_are_read_back(tmp_path: Path, name: str) -> None:
    write_photo(tmp_path / name, quadrants(), quality=100)
    assert np.abs(corners_of(read_photo(tmp_path / name).rgb) - corners_of(quadrants())).max() <= 4
    with Image.open(tmp_path / name) as image:
        tags = f"{image.info} {dict(image.getexif())}"
    assert "Synthetic media" in tags
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_alpha_is_written(tmp_path: Path) -> None:
    rgba = np.dstack([quadrants(), np.arange(24 * 40).reshape(24, 40).astype(np.uint8)])
    for name in ("p.png", "p.webp"):
        write_photo(tmp_path / name, rgba, quality=100)
        alpha = read_photo(tmp_path / name).alpha
        assert alpha is not None
        assert np.array_equal(np.rint(alpha * 255), rgba[..., 3])
    with pytest.raises(UsageError, match="JPEG can't hold transparency"):
        write_photo(tmp_path / "p.jpg", rgba)


def test_write_photo_refuses(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_photo(tmp_path / "p.png", quadrants())
    with pytest.raises(OutputError, match="unknown extension"):
        write_photo(tmp_path / "p.xyz", quadrants())
    assert (tmp_path / "p.png").read_text() == "precious"
    write_photo(tmp_path / "p.png", quadrants(), overwrite=True)
    assert np.array_equal(read_photo(tmp_path / "p.png").rgb, quadrants())
