"""Lists of source/target pairs: DeepFashion's published CSVs or one's own, checked before anything is measured."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.joints import OPENPOSE_NAMES
from drn_core.evaluation.report import Skipped
from retarget.errors import InputError

__all__ = ["IMAGE_SUFFIXES", "Pair", "PairList", "parse_item", "read_keypoints", "read_pairs"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

_NAME_PATTERNS = (
    "{source}___{target}",
    "{source_stem}___{target_stem}",
    "{source}___{target}_vis",
    "{source_stem}_2_{target_stem}",
)
"""How the published codes name the image made from a pair; an image suffix may follow."""
_DEEPFASHION_ITEM = re.compile(r"id_?(\d{8})[/_]?(\d{2})_?\d")
"""DeepFashion In-shop names hold the item's eight digits, then two for its colour, in folders or run together."""


@dataclass(frozen=True)
class Pair:
    """One source/target pair and the image generated for it.

    Attributes:
        name: "source___target".
        source: file of the source image.
        target: file of the real target image.
        generated: file of the generated image.
        target_name: of the target as the list has it, the key of keypoints.
        item: id of the garment, None where unknown.
        colour: of the item, None where unknown.
    """

    name: str
    source: Path
    target: Path
    generated: Path
    target_name: str
    item: str | None
    colour: str | None

    def label(self, relevance: str) -> str | None:
        """Return what makes two images relevant to each other.

        Args:
            relevance: "item" or "item-colour".
        """
        if self.item is None or relevance == "item":
            return self.item
        return None if self.colour is None else f"{self.item}/{self.colour}"


@dataclass(frozen=True)
class PairList:
    """The usable pairs of a list.

    Attributes:
        pairs: in the list's order.
        skipped: pairs and files left out, with the reason.
    """

    pairs: Sequence[Pair]
    skipped: Sequence[Skipped]


def parse_item(name: str) -> tuple[str | None, str | None]:
    """Read item and colour out of a DeepFashion In-shop file name.

    Args:
        name: e.g. "fashionWOMENTees_Tanksid0000000101_1front.jpg" or "WOMEN/Tees/id_00000001/01_1_front.jpg".

    Returns:
        (item, colour), None where the name does not tell.
    """
    found = _DEEPFASHION_ITEM.search(name)
    return (found.group(1), found.group(2)) if found else (None, None)


class _Folder:
    """Finds images by the names lists give them, with or without a suffix."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        self.folder = folder
        self.files = {
            str(path.relative_to(folder)): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES
        }

    def find(self, name: str) -> Path | None:
        if name in self.files:
            return self.files[name]
        bare = name.removesuffix(Path(name).suffix) if Path(name).suffix.lower() in IMAGE_SUFFIXES else name
        for stem in dict.fromkeys((name, bare)):
            for suffix in IMAGE_SUFFIXES:
                if stem + suffix in self.files:
                    return self.files[stem + suffix]
        return None


def _find_generated(folder: _Folder, row: Mapping[str, str]) -> Path | None:
    if row.get("generated"):
        return folder.find(row["generated"])
    source, target = row["from"], row["to"]
    names = {"source": source, "target": target, "source_stem": Path(source).stem, "target_stem": Path(target).stem}
    for pattern in _NAME_PATTERNS:
        found = folder.find(pattern.format(**names))
        if found is not None:
            return found
    return None


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV file: {error}") from error
    absent = [name for name in ("from", "to") if name not in columns]
    if absent:
        raise InputError(f"{path}: column {absent[0]!r} is missing", hint="expected: from,to[,generated,item,colour]")
    if not rows:
        raise InputError(f"{path}: holds no pair")
    return rows


def read_pairs(path: Path, *, images: Path, generated: Path, skip_bad: bool) -> PairList:
    """Read a list of pairs and find all its images.

    Args:
        path: CSV with the columns from, to and, where wanted, generated, item, colour. Without `generated` the names
            of the published codes are tried, e.g. "SOURCE___TARGET.png"; without `item` DeepFashion's file names tell.
        images: folder of source and target images.
        generated: folder of generated images.
        skip_bad: leave pairs with a missing image out, and say so.

    Returns:
        The pairs whose images exist.

    Raises:
        InputError: the list can't be read or is empty; an image is missing, or a generated one belongs to no pair
            (unless bad ones are skipped); no pair is left.
    """
    known, made = _Folder(images), _Folder(generated)
    pairs: dict[str, Pair] = {}
    bad: list[Skipped] = []
    for row in _read_rows(path):
        name = f"{row['from']}___{row['to']}"
        source, target, image = known.find(row["from"]), known.find(row["to"]), _find_generated(made, row)
        if name in pairs:
            bad.append(Skipped(name, "listed twice"))
        elif source is None or target is None:
            bad.append(Skipped(name, f"{images / row['from' if source is None else 'to']}: no such image"))
        elif image is None:
            bad.append(Skipped(name, f"{generated / (row.get('generated') or name)}: no such image"))
        else:
            item, colour = parse_item(row["from"])
            pairs[name] = Pair(
                name, source, target, image, row["to"], row.get("item") or item, row.get("colour") or colour
            )
    used = {pair.generated for pair in pairs.values()}
    bad += [Skipped(str(made.folder / file), "belongs to no pair") for file, p in made.files.items() if p not in used]
    if bad and not skip_bad:
        raise InputError(
            f"{path}: {bad[0].name}: {bad[0].reason} ({len(bad)} bad in all)", hint="--skip-bad leaves bad ones out"
        )
    if not pairs:
        raise InputError(f"{path}: no pair has all its images", hint=f"first: {bad[0].name}: {bad[0].reason}")
    return PairList(list(pairs.values()), bad)


def read_keypoints(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read joints in the layout published with PATN: name:keypoints_y:keypoints_x, 18 OpenPose joints, -1 for none.

    Args:
        path: the file, colons between its columns.

    Returns:
        By image name (18, 2) float32, (x, y) in pixels, NaN where absent.

    Raises:
        InputError: the file can't be read or does not follow the layout; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from error
    if not lines or lines[0].strip() != "name:keypoints_y:keypoints_x":
        raise InputError(f"{path}: the first line must be name:keypoints_y:keypoints_x")
    joints = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            name, *columns = line.split(":")
            ys, xs = (np.array(json.loads(column), np.float32) for column in columns)
            points = np.stack([xs, ys], axis=1)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}, line {number}: expected a name and two lists of numbers") from error
        if points.shape != (len(OPENPOSE_NAMES), 2):
            raise InputError(f"{path}, line {number}: expected {len(OPENPOSE_NAMES)} joints, got {len(points)}")
        joints[name.strip()] = np.where((points < 0).any(axis=1, keepdims=True), np.float32(np.nan), points)
    return joints
