"""Read a photo as a person sees it, and write pictures whole or not at all.

Whatever the file says about itself is carried out: EXIF orientation, colour profile (to sRGB), palette, CMYK, gray,
16 bits, transparency. Only picture formats that are decoded in this process are tried (no PostScript, no plug-ins).
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from retarget.config import DecodeLimits
from retarget.errors import InputError, OutputError, UsageError
from retarget.records import FloatArray, UInt8Array
from retarget.video.container import check_input_file, check_picture_size
from retarget.video.encoders import SYNTHETIC_MEDIA_NOTE
from retarget.video.output_path import PendingOutput, check_writable, output_errors

__all__ = ["PHOTO_EXTENSIONS", "Photo", "read_photo", "write_photo"]

_LOG = logging.getLogger(__name__)

_READ_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "TGA", "AVIF")
_WRITE_FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
PHOTO_EXTENSIONS: Final = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2")
"""What photos are usually called; used to find them in folders. Reading goes by content, not by name."""

_DAMAGE: Final = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error, MemoryError,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files."""

_EXIF_DESCRIPTION: Final = 0x010E
_EXIF_SOFTWARE: Final = 0x0131
_VIDEO_SIGNATURES: Final = (
    (4, b"ftyp"),
    (4, b"moov"),
    (0, b"\x1a\x45\xdf\xa3"),
    (8, b"AVI "),
    (0, b"FLV"),
    (0, b"OggS"),
)
_HEIF_BRANDS: Final = (b"heic", b"heix", b"mif1", b"msf1", b"heim", b"heis", b"hevc")


@dataclass(frozen=True)
class Photo:
    """One still picture, upright, in sRGB.

    Attributes:
        rgb: (H, W, 3) uint8; under transparent parts whatever the file holds there.
        alpha: (H, W) float32 in [0, 1], 1 = opaque; None where the whole picture is opaque.
        path: the file, as given.
    """

    rgb: UInt8Array
    alpha: FloatArray | None
    path: str

    def over(self, colour: tuple[int, int, int] = (255, 255, 255)) -> UInt8Array:
        """Return the picture laid over a colour.

        Args:
            colour: 8-bit RGB.

        Returns:
            (H, W, 3) uint8; `rgb` itself where nothing is transparent.
        """
        if self.alpha is None:
            return self.rgb
        ground = np.asarray(colour, dtype=np.float32)
        mixed = ground + (self.rgb.astype(np.float32) - ground) * self.alpha[..., None]
        flat: UInt8Array = np.rint(mixed).astype(np.uint8)
        return flat


def read_photo(path: str | Path, limits: DecodeLimits | None = None) -> Photo:
    """Read a still picture; of an animation or a series, the first.

    Args:
        path: a local file of any common format.
        limits: what the file may ask for; None takes the defaults.

    Returns:
        The picture, upright and in sRGB.

    Raises:
        InputError: missing, empty, a folder, truncated, not a picture, or of an absurd size.
    """
    name = os.fspath(path)
    file = check_input_file(path)
    with _opened(name, file) as image:
        width, height = image.size
        check_picture_size(name, (height, width), limits or DecodeLimits())
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
            rgb, alpha = _to_srgb(upright)
        except _DAMAGE as error:
            raise InputError(f"{name}: the picture is damaged ({error})", hint="copy or download it again") from error
    return Photo(rgb=rgb, alpha=alpha, path=name)


@contextmanager
def _opened(name: str, file: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        # Sizes are checked against our own limits, before a pixel is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.init()
        try:
            image = Image.open(file, formats=[known for known in _READ_FORMATS if known in Image.OPEN])
        except Image.DecompressionBombError as error:
            raise InputError(f"{name}: the picture is absurdly large ({error})", hint="scale it down first") from error
        except UnidentifiedImageError:
            raise _explain_unread(name, file) from None
        except _DAMAGE as error:
            raise InputError(f"{name}: the picture is damaged ({error})", hint="copy or download it again") from error
    with image:
        yield image


def _explain_unread(name: str, file: Path) -> InputError:
    with file.open("rb") as stream:
        head = stream.read(16)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return InputError(f"{name}: HEIC pictures are not read", hint="convert it to JPEG or PNG")
    if any(head[start : start + len(mark)] == mark for start, mark in _VIDEO_SIGNATURES):
        return InputError(f"{name}: is a video, not a photo", hint="give a photo (JPEG, PNG, WebP, ...)")
    return InputError(f"{name}: not a picture that can be read", hint="convert it to JPEG or PNG")


def _to_srgb(image: Image.Image) -> tuple[UInt8Array, FloatArray | None]:
    if image.mode.startswith(("I", "F")):
        gray = _to_8_bits(np.asarray(image))
        return np.repeat(gray[..., None], 3, axis=2), None
    alpha = _alpha_of(image)
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if alpha is not None else "RGB")
    rgb = _through_profile(image) or image.convert("RGB")
    return np.array(rgb, dtype=np.uint8), alpha


def _to_8_bits(gray: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> UInt8Array:
    """Bring (H, W) gray of 16 bits, or of floating point, to (H, W) uint8."""
    levels = gray.astype(np.float64)
    if np.issubdtype(gray.dtype, np.floating):
        scale = 255.0 if levels.max(initial=0.0) <= 1.0 else 1.0
    else:
        scale = 255.0 / 65535.0
    result: UInt8Array = np.rint((levels * scale).clip(0.0, 255.0)).astype(np.uint8)
    return result


def _alpha_of(image: Image.Image) -> FloatArray | None:
    if "A" not in image.mode and "a" not in image.mode and "transparency" not in image.info:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), dtype=np.float32) / np.float32(255)
    return None if alpha.min() == 1 else alpha


def _through_profile(image: Image.Image) -> Image.Image | None:
    """Convert by the embedded colour profile; None where there is none or it can't be used."""
    profile_bytes = image.info.get("icc_profile")
    if not profile_bytes:
        return None
    base = {"RGBA": "RGB", "RGBX": "RGB", "LA": "L"}.get(image.mode, image.mode)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.profileToProfile(
            image if base == image.mode else image.convert(base),
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=intent,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        _LOG.warning("W121: the photo's colour profile can't be used, its colours are taken for sRGB (%s)", error)
        return None


def write_photo(path: str | Path, picture: UInt8Array, *, overwrite: bool = False, quality: int = 95) -> None:
    """Write a made picture, tagged as synthetic; the file appears only when it is complete.

    Args:
        path: .png, .jpg, .jpeg or .webp.
        picture: (H, W, 3) uint8 RGB, or (H, W, 4) with straight alpha (not for JPEG).
        overwrite: replace an existing file.
        quality: of JPEG and WebP, 1 to 100; 100 makes WebP lossless.

    Raises:
        UsageError: transparency in a JPEG.
        OutputError: unknown extension, exists, no permission, disk full.
    """
    file = Path(path)
    picture_format = _WRITE_FORMATS.get(file.suffix.lower())
    if picture_format is None:
        raise OutputError(f"{path}: unknown extension {file.suffix!r}", hint=f"name it {', '.join(_WRITE_FORMATS)}")
    if picture_format == "JPEG" and picture.shape[2] == 4:
        raise UsageError(f"{path}: JPEG can't hold transparency", hint="write PNG or WebP")
    check_writable(file, overwrite=overwrite)
    image = Image.fromarray(np.ascontiguousarray(picture))
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION], exif[_EXIF_SOFTWARE] = SYNTHETIC_MEDIA_NOTE, "retarget"
    with PendingOutput(file, overwrite=overwrite) as pending, output_errors(file):
        if picture_format == "PNG":
            info = PngInfo()
            info.add_itxt("Comment", SYNTHETIC_MEDIA_NOTE)
            image.save(pending.temporary, format="PNG", pnginfo=info)
        elif picture_format == "JPEG":
            image.save(pending.temporary, format="JPEG", quality=quality, subsampling=0, exif=exif)
        else:
            image.save(pending.temporary, format="WEBP", quality=quality, lossless=quality == 100, exif=exif)
        pending.commit()
