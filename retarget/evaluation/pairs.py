"""The suite for image pairs: fine-grained human pose transfer on DeepFashion-style data, streamed pair by pair."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.evaluation.joints import openpose_joints
from drn_core.evaluation.pair_scores import blur_score, face_scores, joint_scores, picture_scores, target_joints
from drn_core.evaluation.protocols import PAIRS
from drn_core.evaluation.readings import Reading
from drn_core.evaluation.report import Missing, Row, Skipped, summarise
from retarget.errors import InputError
from retarget.evaluation.examples import ExampleKeeper
from retarget.evaluation.networks import Networks
from retarget.evaluation.observers import Observer, PersonObserver
from retarget.evaluation.pair_list import Pair, read_keypoints, read_pairs
from retarget.evaluation.pair_networks import PairNetworks
from retarget.evaluation.retrieval import RetrievalIndex
from retarget.evaluation.suite import Evaluation, SuiteOptions, build_report, check_required
from retarget.records import UInt8Array

__all__ = ["PairOptions", "evaluate_pairs", "load_image"]

_IN_FLIGHT = 6
_NUM_THREADS = 2
_TELL_EVERY = 100


@dataclass(frozen=True)
class PairOptions:
    """Where pairs are, and how they are judged.

    Attributes:
        pairs: CSV of the pairs.
        images: folder of source and target images.
        generated: folder of generated images.
        keypoints: target joints in PATN's layout; None reads them from the targets.
        relevance: what counts as found: the same "item", or the same "item-colour".
        pose: look for joints.
    """

    pairs: Path
    images: Path
    generated: Path
    keypoints: Path | None = None
    relevance: str = "item"
    pose: bool = True


def load_image(path: Path) -> UInt8Array:
    """Read an image as RGB; transparency is laid over white.

    Args:
        path: the file.

    Returns:
        (H, W, 3) uint8.

    Raises:
        InputError: it can't be read.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None:
        raise InputError(f"{path}: not a readable image")
    if picture.dtype != np.uint8:
        picture = cv2.convertScaleAbs(picture, alpha=255 / np.iinfo(picture.dtype).max)
    if picture.ndim == 2:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
    if picture.shape[2] == 4:
        share = picture[..., 3:].astype(np.float32) / 255
        picture = (picture[..., :3] * share + 255 * (1 - share)).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass
class _TargetReadings:
    """Readings of target images, each taken once; masks are kept as bits."""

    observer: Observer
    face: bool
    _kept: dict[Path, tuple[Reading, npt.NDArray[np.uint8] | None]] = field(default_factory=dict)

    def of(self, path: Path, image: UInt8Array) -> Reading:
        if path not in self._kept:
            reading = self.observer.read(image, face=self.face)
            bits = None if reading.mask is None else np.packbits(reading.mask)
            self._kept[path] = (replace(reading, mask=None), bits)
        reading, bits = self._kept[path]
        if bits is None:
            return reading
        height, width = image.shape[:2]
        return replace(reading, mask=np.unpackbits(bits, count=height * width).reshape(height, width) > 0)


@dataclass(frozen=True)
class _Loaded:
    """A pair with its images."""

    pair: Pair
    source: UInt8Array
    target: UInt8Array
    generated: UInt8Array


def _load(pair: Pair) -> _Loaded:
    loaded = _Loaded(pair, *(load_image(path) for path in (pair.source, pair.target, pair.generated)))
    if loaded.target.shape != loaded.generated.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (loaded.generated, loaded.target)]
        raise InputError(f"{pair.generated}: is {sizes[0]}, its target {pair.target} {sizes[1]}")
    if min(loaded.target.shape[:2]) < 16:
        raise InputError(f"{pair.target}: is smaller than 16 pixels")
    return loaded


class _Suite:
    """The state of one run: what is read, measured and kept while the pairs stream by."""

    def __init__(self, options: SuiteOptions, how: PairOptions, networks: Networks, observer: Observer | None) -> None:
        self.rows: list[Row] = []
        self.examples = ExampleKeeper()
        self.nets = PairNetworks(networks)
        self.index = RetrievalIndex(how.relevance)
        self.skipped: list[Skipped] = []
        self._skip_bad = options.skip_bad
        self._has_blur = networks.has("skimage")
        self._face = options.face and networks.has_dlib
        self._joints = None if how.keypoints is None else read_keypoints(how.keypoints)
        self._pose = how.pose
        self._observer = observer or PersonObserver() if how.pose or self._face else None
        self._targets = None if self._observer is None else _TargetReadings(self._observer, self._face)

    def measure(self, pairs: Sequence[Pair], tell: Callable[[str], None] | None) -> None:
        """Measure all pairs: images load and pictures are compared in threads, observers run here."""
        with ThreadPoolExecutor(_NUM_THREADS) as workers:
            running: deque[tuple[_Loaded, Row, Future[dict[str, float]]]] = deque()
            for count, loaded in enumerate(self._stream(pairs, workers), start=1):
                try:
                    reading, row = self._observe(loaded)
                except InputError as error:
                    self._skip(loaded.pair, error)
                    continue
                running.append((loaded, row, workers.submit(self._compare, loaded, reading)))
                if len(running) >= _IN_FLIGHT:
                    self._collect(*running.popleft())
                if tell is not None and count % _TELL_EVERY == 0:
                    tell(f"{count} of {len(pairs)} pairs")
            while running:
                self._collect(*running.popleft())

    def _stream(self, pairs: Sequence[Pair], workers: ThreadPoolExecutor) -> Iterator[_Loaded]:
        ahead: deque[tuple[Pair, Future[_Loaded]]] = deque()
        remaining = iter(pairs)
        while True:
            while len(ahead) < _IN_FLIGHT and (pair := next(remaining, None)) is not None:
                ahead.append((pair, workers.submit(_load, pair)))
            if not ahead:
                return
            pair, future = ahead.popleft()
            try:
                yield future.result()
            except InputError as error:
                self._skip(pair, error)

    def _skip(self, pair: Pair, error: InputError) -> None:
        if not self._skip_bad:
            raise error
        self.skipped.append(Skipped(pair.name, str(error)))

    def _observe(self, loaded: _Loaded) -> tuple[Reading | None, Row]:
        """Read target and generated image; score joints and faces."""
        values: dict[str, float] = {}
        weights: dict[str, float] = {}
        reading = None
        if self._targets is not None and self._observer is not None:
            reading = self._targets.of(loaded.pair.target, loaded.target)
            seen = self._observer.read(loaded.generated, face=reading.face is not None)
            values |= face_scores(reading, seen)
            joints = self._target_joints(loaded.pair, reading) if self._pose else None
            if joints is not None:
                found = None if seen.keypoints is None else openpose_joints(seen.keypoints)
                scores, weights = joint_scores(found, joints)
                values |= scores
        return reading, Row(loaded.pair.name, values, weights)

    def _target_joints(self, pair: Pair, reading: Reading) -> npt.NDArray[np.float32] | None:
        if self._joints is None:
            return target_joints(reading)
        if pair.target_name not in self._joints:
            raise InputError(f"{pair.target_name}: not in the list of keypoints")
        return self._joints[pair.target_name]

    def _compare(self, loaded: _Loaded, reading: Reading | None) -> dict[str, float]:
        scores = picture_scores(loaded.target, loaded.generated, reading)
        return {**scores, "blur": blur_score(loaded.generated)} if self._has_blur else scores

    def _collect(self, loaded: _Loaded, row: Row, future: Future[dict[str, float]]) -> None:
        scores = future.result()
        try:
            features = self.nets.add(loaded.pair, loaded.source, loaded.target, loaded.generated)
        except ValueError as error:
            self._skip(loaded.pair, InputError(f"{loaded.pair.generated}: {error}"))
            return
        self.index.add(loaded.pair, features)
        self.rows.append(replace(row, values={**row.values, **scores, **features.scores}))
        self.examples.offer(loaded.pair.name, scores["ssim"], [loaded.source, loaded.target, loaded.generated])


def evaluate_pairs(
    how: PairOptions,
    options: SuiteOptions,
    *,
    observer: Observer | None = None,
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Evaluate generated images of source/target pairs.

    Args:
        how: where the pairs are and how they are judged.
        options: of all suites.
        observer: reads persons; None takes MediaPipe and dlib.
        tell: gets a line of progress now and then.

    Raises:
        InputError: lists or images are bad (and bad ones are not skipped), or no pair is left.
        ModelError: a required metric can't be computed.
    """
    networks, missing = check_required(PAIRS, options, _left_out(how))
    listed = read_pairs(how.pairs, images=how.images, generated=how.generated, skip_bad=options.skip_bad)
    suite = _Suite(options, how, networks, observer)
    suite.measure(listed.pairs, tell)
    skipped = [*listed.skipped, *suite.skipped]
    if not suite.rows:
        raise InputError(f"{how.pairs}: no pair could be measured", hint=f"{skipped[0].name}: {skipped[0].reason}")
    named = {item.metric for item in missing}
    missing = [*missing, *(item for item in _unknown_items(suite.index) if item.metric not in named)]
    rows = suite.index.add_recalls(suite.rows)
    report = build_report(
        PAIRS, rows, summarise(rows, PAIRS, set_figures=suite.nets.set_figures()),
        subject={"generated": str(how.generated), "pairs": str(how.pairs), "images": str(how.images)},
        settings={
            "relevance": how.relevance,
            "joints": "MediaPipe on the targets" if how.keypoints is None else how.keypoints.name,
            "joint_detector": "MediaPipe pose (full, single pictures)",
            "gallery_size": suite.index.gallery_size,
            "interval": "pairs",
        },
        missing=missing, skipped=skipped, require=options.require,
    )  # fmt: skip
    return Evaluation(report, suite.examples.best(), suite.examples.worst())


def _unknown_items(index: RetrievalIndex) -> list[Missing]:
    if index.unlabelled is None:
        return []
    needs = f"what item (and colour) each image shows; unknown for {index.unlabelled}"
    get = "columns item and colour in the list of pairs, or DeepFashion's file names"
    return [Missing(name, needs, get) for name in PAIRS.names if "recall_" in name or name.startswith("hit_")]


def _left_out(how: PairOptions) -> list[Missing]:
    if how.pose:
        return []
    names = [metric.name for metric in PAIRS.metrics if metric.group == "structural"]
    return [Missing(name, "joints", "leaving out --no-pose") for name in names]
