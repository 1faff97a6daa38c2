"""The real observers and networks: dlib and MediaPipe on real pictures, LPIPS and ResNet with random weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drn_core.evaluation.protocols import REENACT
from retarget.evaluation import networks
from retarget.evaluation.observers import FaceObserver, PersonObserver
from retarget.evaluation.suite import SuiteOptions
from retarget.evaluation.videos import evaluate_video
from tests.helpers.evaluation import textured_picture

MEDIA = Path(__file__).parents[3] / "shared" / "media"


def media(name: str) -> Path:
    path = MEDIA / name
    if not path.exists():
        pytest.skip(f"needs the development media at {MEDIA}")
    return path


def picture(name: str) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(media(name))), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def person_observer() -> Iterator[PersonObserver]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield PersonObserver()


@pytest.mark.media
def test_face_descriptors_are_dlibs() -> None:
    import dlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import face_recognition_models as weights

    rgb = picture("photos/gym_man_white_armsout.jpg")
    detected = dlib.get_frontal_face_detector()(rgb, 1)
    assert len(detected) == 1
    landmarks = dlib.shape_predictor(weights.pose_predictor_five_point_model_location())(rgb, detected[0])
    network = dlib.face_recognition_model_v1(weights.face_recognition_model_location())
    observer = FaceObserver()
    descriptor = observer.describe(rgb)
    assert descriptor is not None
    np.testing.assert_allclose(descriptor, np.array(network.compute_face_descriptor(rgb, landmarks)))
    brighter = observer.describe(cv2.convertScaleAbs(rgb, alpha=1.1))
    assert brighter is not None
    assert np.linalg.norm(descriptor - brighter) < 0.6


def test_no_face_in_texture() -> None:
    assert FaceObserver().describe(textured_picture((120, 120))) is None


@pytest.mark.mediapipe
@pytest.mark.media
def test_a_person_is_found_with_joints_and_mask(person_observer: PersonObserver) -> None:
    rgb = picture("photos/gym_man_white_armsout.jpg")
    found = person_observer.read(rgb, face=False)
    assert found.keypoints is not None
    assert found.mask is not None
    assert found.face is None
    x, y = found.keypoints[0].round().astype(int)
    assert found.mask[y, x]
    assert 0.02 < found.mask.mean() < 0.5


@pytest.mark.mediapipe
def test_nobody_is_found_in_texture(person_observer: PersonObserver) -> None:
    assert not person_observer.read(textured_picture(), face=False).has_person


@pytest.mark.mediapipe
@pytest.mark.media
def test_a_real_clip_against_itself(person_observer: PersonObserver) -> None:
    clip = media("reenact/half_sign_A_student.mkv")
    report = evaluate_video(clip, clip, REENACT, SuiteOptions(), step=17, observer=person_observer).report
    for name, value in {"ssim": 1, "pck": 100, "miss": 0, "face": 1, "sharp": 1}.items():
        assert report.summary[name].value == pytest.approx(value), name


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    return kept


def test_lpips_is_torchmetrics_with_the_weights_of_this_machine(torch_home: Path) -> None:
    import torchvision
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as lpips

    assert networks.find_networks().lpips is None
    torch.manual_seed(0)
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), torch_home / "alexnet-owt-7be5be79.pth")
    found = networks.find_networks()
    assert found.lpips is not None
    network = found.lpips()
    first, second = textured_picture((80, 70)), textured_picture((80, 70), seed=1)
    pair = [torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(255)) for image in (first, second)]
    assert network.distance(first, second) == pytest.approx(float(lpips(*pair, net_type="alex", normalize=True)))
    assert network.distance(first, first) == pytest.approx(0, abs=1e-6)
    assert network.distance(first[:40], second[:40]) is None


def test_retriever_takes_a_state_dict_with_or_without_prefix(tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(0)
    state = torchvision.models.resnet50(weights=None).state_dict()
    torch.save({"state_dict": {f"backbone.{key}": value for key, value in state.items()}}, tmp_path / "prefixed.pth")
    found = networks.find_networks(tmp_path / "prefixed.pth")
    assert found.retriever is not None
    features = found.retriever().features(textured_picture((100, 60)))
    assert features.shape == (2048,)
    assert np.isfinite(features).all()


def test_inception_features_come_from_torch_fidelity(torch_home: Path) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:  # the class loads weights on creation; make some to load
        patch.setattr(torch, "load", lambda *args, **kwargs: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
        blank = fidelity.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path="none")
    torch.save(blank.state_dict(), torch_home / "weights-inception-2015-12-05-6726825d.pth")
    found = networks.find_networks()
    assert found.inception is not None
    pool3, logits = found.inception().features(textured_picture((60, 60)))
    assert pool3.shape == (1, 2048)
    assert logits.shape == (1, 1008)
    assert torch.isfinite(pool3).all()
