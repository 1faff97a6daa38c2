"""`retarget evaluate pairs` on made-up pairs: perfect and bad input, networks put in, memory."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drn_core.evaluation.protocols import PAIRS
from retarget.cli.main import main
from retarget.errors import InputError
from retarget.evaluation import networks as networks_module
from retarget.evaluation import suite
from retarget.evaluation.networks import Networks
from retarget.evaluation.pair_list import parse_item, read_keypoints, read_pairs
from retarget.evaluation.pairs import PairOptions, evaluate_pairs, load_image
from retarget.evaluation.suite import SuiteOptions
from tests.helpers.evaluation import NOBODY, FakeObserver, textured_picture

SIZE = (256, 176)
ITEMS = [("00000001", "01"), ("00000001", "02"), ("00000002", "01")]


def image_name(item: str, colour: str, view: str) -> str:
    return f"fashionMENTees_Tanksid{item}{colour}_{view}.png"


def write_image(path: Path, seed: int, size_hw: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hue = np.full((1, 1, 3), (seed * 37 % 180, 200, 200), np.uint8)
    tint = cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0] / 255.0
    cv2.imwrite(str(path), (textured_picture(size_hw, seed) * tint).astype(np.uint8))


class Data:
    """A folder of pairs whose generated images are the targets."""

    def __init__(self, root: Path) -> None:
        self.images, self.generated, self.pairs = root / "images", root / "generated", root / "pairs.csv"
        self.rows = []
        for seed, (item, colour) in enumerate(ITEMS):
            front, back = image_name(item, colour, "1front"), image_name(item, colour, "2side")
            write_image(self.images / front, seed)
            write_image(self.images / back, seed)
            self.rows.append((front, back))
            write_image(self.generated / f"{Path(front).stem}___{Path(back).stem}.png", seed)
        self.write()

    def write(self, header: tuple[str, ...] = ("from", "to")) -> None:
        with self.pairs.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *self.rows])

    def generated_of(self, index: int) -> Path:
        front, back = self.rows[index]
        return self.generated / f"{Path(front).stem}___{Path(back).stem}.png"

    def options(self, **more: object) -> PairOptions:
        return PairOptions(self.pairs, self.images, self.generated, **more)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def test_perfect_images_score_perfectly(data: Data) -> None:
    report = evaluate_pairs(data.options(), SuiteOptions(), observer=FakeObserver()).report
    perfect = {
        "ssim": 1, "ssim_plain": 1, "pckh": 100, "pck_05": 100, "miss": 0, "face_found": 100, "face_match": 100,
        "face_distance": 0, "colour_recall_1_real": 100 * (0.5 + 0.5 + 1) / 3, "colour_recall_3": 100,
    }  # fmt: skip
    for name, value in perfect.items():
        assert report.summary[name].value == pytest.approx(value), name
    assert len(report.rows) == 3
    assert report.settings["gallery_size"] == 3


def test_relevance_by_item_and_colour(data: Data) -> None:
    options = data.options(relevance="item-colour")
    report = evaluate_pairs(options, SuiteOptions(), observer=FakeObserver()).report
    assert report.summary["colour_recall_1"].value == 100


def test_nobody_found_counts_as_misses(data: Data) -> None:
    class Blind(FakeObserver):
        def read(self, rgb: np.ndarray, *, face: bool) -> object:  # type: ignore[override]
            is_target = self.num_reads % 2 == 0  # of each pair the target is read first
            seen = super().read(rgb, face=face)
            return seen if is_target else NOBODY

    report = evaluate_pairs(data.options(), SuiteOptions(), observer=Blind()).report
    assert report.summary["miss"].value == 100
    assert report.summary["pckh"].value == 0
    assert report.summary["face_found"].value == 0


def test_given_keypoints_are_the_target(data: Data, tmp_path: Path) -> None:
    joints = FakeObserver().read(np.zeros((*SIZE, 3), np.uint8), face=False).keypoints
    assert joints is not None
    ys, xs = [-1] * 18, [-1] * 18
    for place, joint in ((0, 0), (14, 5), (15, 2), (2, 12)):
        ys[place], xs[place] = int(joints[joint, 1]), int(joints[joint, 0])
    xs[2] += 60
    lines = ["name:keypoints_y:keypoints_x", *(f"{back}: {ys}: {xs}" for _, back in data.rows)]
    path = tmp_path / "keypoints.csv"
    path.write_text("\n".join(lines))
    options = data.options(keypoints=path)
    report = evaluate_pairs(options, SuiteOptions(), observer=FakeObserver()).report
    assert report.summary["pckh_right_shoulder"].value == 0
    assert report.rows[0].weights["pckh"] == 4
    path.write_text("\n".join(lines[:2]))
    with pytest.raises(InputError, match="not in the list of keypoints"):
        evaluate_pairs(options, SuiteOptions(), observer=FakeObserver())
    report = evaluate_pairs(options, SuiteOptions(skip_bad=True), observer=FakeObserver()).report
    assert (len(report.rows), len(report.skipped)) == (1, 2)


class FakeLpips:
    def distance(self, first: np.ndarray, second: np.ndarray) -> float:
        return float(np.abs(first.astype(float) - second).mean())


class FakeInception:
    num_features = 4

    def features(self, image: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        assert image.shape[0] == image.shape[1], "images are padded to a square"
        moments = torch.tensor([[*image.mean((0, 1)), image.std()]], dtype=torch.float64)
        return moments, moments


class FakeRetriever:
    value = 1.0

    def features(self, image: np.ndarray) -> np.ndarray:
        return np.append(image.mean((0, 1)), self.value).astype(np.float32)


@pytest.fixture
def all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Networks(lpips=FakeLpips, inception=FakeInception, retriever=FakeRetriever, has_dlib=True)  # type: ignore[arg-type]
    monkeypatch.setattr(suite, "find_networks", lambda retriever: found)


@pytest.mark.usefixtures("all_networks")
def test_networks_fill_in_their_metrics(data: Data) -> None:
    for number in range(10):  # the Inception score needs ten images
        name = image_name(f"{number + 10:08d}", "01", "1front")
        write_image(data.images / name, number + 10)
        write_image(data.generated / f"{Path(name).stem}___{Path(name).stem}.png", number + 10)
        data.rows.append((name, name))
    data.write()
    report = evaluate_pairs(data.options(), SuiteOptions(require=("all",)), observer=FakeObserver()).report
    assert not report.missing
    assert report.summary["lpips"].value == 0
    assert report.summary["fid"].value == pytest.approx(0, abs=1e-3)
    assert report.summary["hit_1"].value == 100
    assert report.summary["recall_10"].value == report.summary["recall_10_real"].value
    assert set(report.summary) == set(PAIRS.names)


@pytest.mark.usefixtures("all_networks")
def test_nan_features_name_the_image(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRetriever, "value", float("nan"))
    with pytest.raises(InputError, match=r"generated/.*\.png: features hold NaN"):
        evaluate_pairs(data.options(), SuiteOptions(), observer=FakeObserver())


@pytest.mark.usefixtures("all_networks")
def test_a_single_pair_says_what_it_cannot_give(data: Data) -> None:
    data.rows = data.rows[:1]
    data.write()
    report = evaluate_pairs(data.options(), SuiteOptions(skip_bad=True), observer=FakeObserver()).report
    assert report.summary["ssim"].low is None
    assert {"fid", "is"} <= {item.metric for item in report.missing}


def spoil_missing(data: Data) -> None:
    data.generated_of(0).unlink()


def spoil_size(data: Data) -> None:
    write_image(data.generated_of(0), 0, (64, 44))


def spoil_file(data: Data) -> None:
    data.generated_of(0).write_bytes(b"not an image")


def spoil_empty_file(data: Data) -> None:
    data.generated_of(0).write_bytes(b"")


def spoil_source(data: Data) -> None:
    (data.images / data.rows[0][0]).unlink()


def spoil_target(data: Data) -> None:
    (data.images / data.rows[0][1]).write_bytes(b"\x89PNG\r\n")


def spoil_twice(data: Data) -> None:
    data.rows.append(data.rows[0])
    data.write()


def spoil_unpaired(data: Data) -> None:
    write_image(data.generated / "stray.png", 5)


@pytest.mark.parametrize(
    ("spoil", "message", "num_left"),
    [
        (spoil_missing, r"generated/.*no such image", 2),
        (spoil_size, r"generated/.*is 44x64, its target .*2side\.png 176x256", 2),
        (spoil_file, r"generated/.*not a readable image", 2),
        (spoil_empty_file, r"generated/.*not a readable image", 2),
        (spoil_source, r"1front\.png: no such image", 2),
        (spoil_target, r"2side\.png: not a readable image", 2),
        (spoil_twice, "listed twice", 3),
        (spoil_unpaired, r"stray\.png: belongs to no pair", 3),
    ],
)
def test_bad_samples_are_named_or_counted(data: Data, spoil: object, message: str, num_left: int) -> None:
    spoil(data)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        evaluate_pairs(data.options(), SuiteOptions(), observer=FakeObserver())
    report = evaluate_pairs(data.options(), SuiteOptions(skip_bad=True), observer=FakeObserver()).report
    assert len(report.rows) == num_left
    assert report.skipped


def test_nothing_left_is_an_error_even_when_skipping(data: Data) -> None:
    for index in range(3):
        data.generated_of(index).write_bytes(b"")
    with pytest.raises(InputError, match="no pair could be measured"):
        evaluate_pairs(data.options(), SuiteOptions(skip_bad=True), observer=FakeObserver())
    for index in range(3):
        data.generated_of(index).unlink()
    with pytest.raises(InputError, match="no pair has all its images"):
        evaluate_pairs(data.options(), SuiteOptions(skip_bad=True), observer=FakeObserver())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'from' is missing"),
        ("from,target\na,b\n", "column 'to' is missing"),
        ("from,to\n", "holds no pair"),
    ],
)
def test_bad_lists_are_refused(data: Data, text: str, message: str) -> None:
    data.pairs.write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(data.pairs, images=data.images, generated=data.generated, skip_bad=True)


def test_missing_folders_and_lists_are_refused(data: Data, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_pairs(data.pairs, images=tmp_path / "none", generated=data.generated, skip_bad=False)
    with pytest.raises(InputError, match="can't be read"):
        read_pairs(tmp_path / "none.csv", images=data.images, generated=data.generated, skip_bad=False)


def test_the_list_may_name_images_and_items(data: Data) -> None:
    data.rows = [(*data.rows[0], data.generated_of(0).name, "shirt", "red")]
    data.write(("from", "to", "generated", "item", "colour"))
    (pair,) = read_pairs(data.pairs, images=data.images, generated=data.generated, skip_bad=True).pairs
    assert pair.label("item") == "shirt"
    assert pair.label("item-colour") == "shirt/red"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fashionWOMENTees_Tanksid0000000101_1front.jpg", ("00000001", "01")),
        ("WOMEN/Tees_Tanks/id_00000007/03_2_side.jpg", ("00000007", "03")),
        ("person.jpg", (None, None)),
    ],
)
def test_items_are_read_from_deepfashion_names(name: str, expected: tuple[str | None, str | None]) -> None:
    assert parse_item(name) == expected


def test_unknown_items_leave_retrieval_out(data: Data) -> None:
    for place, name in ((0, "a.png"), (1, "b.png")):
        (data.images / data.rows[0][place]).rename(data.images / name)
    data.generated_of(0).rename(data.generated / "a___b.png")
    data.rows[0] = ("a.png", "b.png")
    data.write()
    report = evaluate_pairs(data.options(), SuiteOptions(), observer=FakeObserver()).report
    needs = {item.metric: item.needs for item in report.missing}
    assert "unknown for a.png___b.png" in needs["colour_recall_10"]
    assert len(report.rows) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,keypoints_y,keypoints_x\n", "first line"),
        ("name:keypoints_y:keypoints_x\na.png: [1, 2]: [3, 4]\n", "line 2: expected 18 joints"),
        ("name:keypoints_y:keypoints_x\na.png: [1, 2]\n", "line 2: expected a name"),
        ("name:keypoints_y:keypoints_x\na.png: what: [1]\n", "line 2: expected a name"),
    ],
)
def test_bad_keypoint_lists_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keypoints.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_keypoints(path)


def test_images_of_all_kinds_are_read_as_rgb(tmp_path: Path) -> None:
    colour = np.full((20, 20, 3), (10, 20, 30), np.uint8)  # blue, green, red
    cv2.imwrite(str(tmp_path / "c.png"), colour)
    assert load_image(tmp_path / "c.png")[0, 0].tolist() == [30, 20, 10]
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([colour, np.zeros((20, 20), np.uint8)]))
    assert load_image(tmp_path / "a.png")[0, 0].tolist() == [255, 255, 255]
    cv2.imwrite(str(tmp_path / "g.png"), np.full((20, 20), 7, np.uint8))
    assert load_image(tmp_path / "g.png")[0, 0].tolist() == [7, 7, 7]
    cv2.imwrite(str(tmp_path / "d.png"), np.full((20, 20, 3), 65535, np.uint16))
    assert load_image(tmp_path / "d.png")[0, 0].tolist() == [255, 255, 255]
    with pytest.raises(InputError, match="can't be read"):
        load_image(tmp_path / "none.png")


def test_command_line_without_observers(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "r.json"
    arguments = [
        "evaluate",
        "pairs",
        "--pairs",
        str(data.pairs),
        "--images",
        str(data.images),
        "--no-pose",
        "--no-face",
    ]
    arguments += ["--generated", str(data.generated), "--report", str(report), "--html", str(tmp_path / "r.html")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "colour_recall_10" in said
    assert "leaving out --no-pose" in said
    assert json.loads(report.read_text())["sample_count"] == 3
    assert main([*arguments, "--require", "pckh"]) == 6
    assert "pckh: not computed: needs joints" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom retarget.cli.main import main\n"
        "try:\n    main(['evaluate', 'pairs', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numba', 'cv2', 'mediapipe', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_missing_retriever_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(networks_module.ModelError, match="no such file"):
        networks_module.find_networks(tmp_path / "none.pth")
    foreign = tmp_path / "foreign.pth"
    torch.save({"layer": torch.zeros(1)}, foreign)
    with pytest.raises(networks_module.ModelError, match="not the weights of a ResNet-50"):
        networks_module.RetrievalNetwork(foreign)
