from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drn_core.config import SyntheticData
from drn_core.data.augment import augmented, flipped, retoned
from drn_core.data.deepfashion import DeepFashionDataset, read_keypoints, read_pairs
from drn_core.data.feed import batches
from drn_core.data.packs import PACK_SUFFIX, PackDataset, read_pack_header, write_pack
from drn_core.data.records import TrainingBatch, collate
from drn_core.data.synthetic_packs import write_synthetic_packs
from drn_core.errors import DataError
from drn_core.model.records import to_device
from drn_core.model.sampling import warp_image
from drn_core.skeleton import JOINT_INDEX
from tests.drn_core.training.pairs import MadePairs

PAIRS = MadePairs(count=6, has_background=True)


def one(index: int = 0) -> TrainingBatch:
    return PAIRS.sample(index, seed=0)


def write_some(folder: Path, count: int = 3) -> None:
    for number in range(count):
        write_pack(folder / f"p{number}{PACK_SUFFIX}", [one(number), one(number + 1)], origin="made up", rate_hz=25.0)


class TestRecords:
    def test_collate_joins_nested_tensors(self) -> None:
        batch = collate([one(0), one(1)])
        assert batch.size == 2
        assert torch.equal(batch.inputs.driver.prior_flow[1:], one(1).inputs.driver.prior_flow)

    def test_collate_refuses_mixed_fields_and_nothing(self) -> None:
        with pytest.raises(ValueError, match="target_flow is set in some samples only"):
            collate([one(0), replace(one(1), target_flow=None)])
        with pytest.raises(ValueError, match="no samples"):
            collate([])

    def test_to_device_keeps_everything_else(self) -> None:
        moved = to_device(replace(one(), consecutive=2), torch.device("cpu"))
        assert moved.consecutive == 2
        assert moved.inputs.driver.guidance is None


class TestAugment:
    def test_flip_mirrors_pictures_flows_and_joints_together(self) -> None:
        batch = one()
        mirrored = flipped(batch)
        # Warping the mirrored photo by the mirrored flow gives the mirrored target.
        moved = warp_image(mirrored.inputs.source.image, mirrored.target_flow)
        torch.testing.assert_close(moved, mirrored.target, atol=1e-5, rtol=0)
        left, right = JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]
        before, after = batch.inputs.driver.keypoints[0], mirrored.inputs.driver.keypoints[0]
        assert after[left].tolist() == pytest.approx([31 - float(before[right, 0]), float(before[right, 1])])

    @pytest.mark.parametrize("joints", [33, 18])
    def test_flipping_twice_is_the_identity(self, joints: int) -> None:
        batch = MadePairs(joints=joints).sample(0, seed=0)
        twice = flipped(flipped(batch))
        assert torch.equal(twice.target_flow, batch.target_flow)
        torch.testing.assert_close(twice.inputs.source.keypoints, batch.inputs.source.keypoints)

    def test_tone_changes_all_pictures_alike(self) -> None:
        toned = retoned(one(), gain=torch.tensor([0.5, 1.0, 1.0]), gamma=1.0)
        torch.testing.assert_close(toned.target[:, 0], one().target[:, 0] * 0.5)
        torch.testing.assert_close(toned.inputs.driver.background[:, 1], one().inputs.driver.background[:, 1])
        assert torch.equal(toned.target_flow, one().target_flow)

    def test_same_seed_same_sample(self) -> None:
        assert torch.equal(augmented(one(), 5).target, augmented(one(), 5).target)
        assert not torch.equal(augmented(one(), 5).target, augmented(one(), 6).target)

    def test_unknown_skeleton_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no skeleton of 7 joints"):
            flipped(MadePairs(joints=7).sample(0, seed=0))


class TestPacks:
    def test_round_trip(self, tmp_path: Path) -> None:
        write_some(tmp_path, 1)
        read = PackDataset([tmp_path], augment=False).sample(0, seed=0)
        sample = one(0)
        assert (read.target - sample.target).abs().mean() < 3 / 255
        assert torch.equal(read.inputs.driver.keypoints, sample.inputs.driver.keypoints)
        mask = sample.target_visibility > 0
        assert ((read.target_flow - sample.target_flow) * mask).abs().max() < 0.01
        assert torch.equal(read.target_mask, sample.target_mask)
        assert read_pack_header(tmp_path / f"p0{PACK_SUFFIX}")["rate_hz"] == 25.0

    def test_runs_of_frames(self, tmp_path: Path) -> None:
        write_some(tmp_path, 1)
        runs = PackDataset([tmp_path], consecutive=2)
        assert len(runs) == 1
        assert runs.sample(0, seed=0).consecutive == runs.sample(0, seed=0).size == 2

    def test_holdout_divides_the_packs(self, tmp_path: Path) -> None:
        write_some(tmp_path, 3)
        train = PackDataset([tmp_path], holdout=3)
        held_out = PackDataset([tmp_path], holdout=3, is_validation=True)
        assert (len(train), len(held_out)) == (4, 2)

    def test_unreadable_packs_are_left_out_and_listed(self, tmp_path: Path) -> None:
        write_some(tmp_path, 2)
        (tmp_path / f"broken{PACK_SUFFIX}").write_bytes(b"nonsense")
        data = PackDataset([tmp_path])
        assert len(data) == 4
        assert len(data.unreadable) == 1
        assert "broken" in data.unreadable[0]

    def test_no_packs_and_no_prior_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no readable packs in"):
            PackDataset([tmp_path])
        with pytest.raises(DataError, match="needs background"):
            write_pack(tmp_path / "x", [MadePairs().sample(0, seed=0)], origin="made up")


class TestFeed:
    def deliver(self, start: int, count: int, **options: int) -> list[TrainingBatch]:
        return list(batches(PAIRS, seed=3, start=start, count=count, batch_size=2, **options))

    def test_stream_continues_where_it_stopped(self) -> None:
        whole = self.deliver(0, 6)
        tail = self.deliver(4, 4)
        assert all(torch.equal(a.target, b.target) for a, b in zip(whole[2:], tail, strict=True))

    def test_an_epoch_shows_every_sample_once(self) -> None:
        targets = torch.cat([batch.target for batch in self.deliver(0, 3)])
        wanted = torch.cat([one(i).target for i in range(6)])
        assert sorted(targets.sum(dim=(1, 2, 3)).tolist()) == sorted(wanted.sum(dim=(1, 2, 3)).tolist())

    def test_processes_share_the_stream(self) -> None:
        alone = torch.cat([batch.target for batch in self.deliver(0, 2)])
        shares = [self.deliver(0, 1, rank=rank, num_processes=2)[0].target for rank in (0, 1)]
        assert torch.equal(alone[0::2], shares[0])
        assert torch.equal(alone[1::2], shares[1])


class TestDeepFashion:
    @pytest.fixture
    def lists(self, tmp_path: Path) -> Path:
        import cv2

        for name in ("a.jpg", "b.jpg"):
            cv2.imwrite(str(tmp_path / name), np.full((256, 176, 3), 90, np.uint8))
        (tmp_path / "pairs.csv").write_text("from,to\na.jpg,b.jpg\nb.jpg,a.jpg\na.jpg,gone.jpg\n")
        ys, xs = list(range(18)), [-1, *range(10, 27)]
        lines = ["name:keypoints_y:keypoints_x", *(f"{n}: {ys}: {xs}" for n in ("a.jpg", "b.jpg"))]
        (tmp_path / "joints.csv").write_text("\n".join(lines) + "\n")
        return tmp_path

    def test_reads_pairs_and_joints(self, lists: Path) -> None:
        data = DeepFashionDataset(lists, lists / "pairs.csv", lists / "joints.csv", (128, 96), augment=False)
        assert (len(data), data.num_left_out) == (2, 1)
        sample = data.sample(0, seed=0)
        assert sample.target.shape == (1, 3, 128, 96)
        driver = sample.inputs.driver
        assert driver.confidence[0, :2].tolist() == [0.0, 1.0]
        # Joint 1 is at (10, 1) of 176 x 256.
        assert driver.keypoints[0, 1].tolist() == pytest.approx([10.5 * 96 / 176 - 0.5, 1.5 / 2 - 0.5])
        assert driver.prior_image is None

    def test_mistakes_are_named(self, lists: Path) -> None:
        with pytest.raises(DataError, match="can't be read"):
            read_pairs(lists / "gone.csv")
        with pytest.raises(DataError, match="columns 'from' and 'to'"):
            read_pairs(lists / "joints.csv")
        (lists / "bad.csv").write_text("name:keypoints_y:keypoints_x\na.jpg: [1, 2: [3]\n")
        with pytest.raises(DataError, match=r"malformed joints of 'a\.jpg'"):
            read_keypoints(lists / "bad.csv")
        (lists / "few.csv").write_text("name:keypoints_y:keypoints_x\na.jpg: [1]: [3]\n")
        with pytest.raises(DataError, match=r"expected 18 joints of 'a\.jpg', got 1"):
            read_keypoints(lists / "few.csv")
        with pytest.raises(DataError, match="none of the 3 pairs"):
            DeepFashionDataset(lists / "..", lists / "pairs.csv", lists / "joints.csv", (128, 96), augment=False)


@pytest.mark.slow
def test_synthetic_packs_are_consistent_and_made_once(tmp_path: Path) -> None:
    wanted = SyntheticData(num_clips=1, frames_per_clip=2, num_pairs=1, build_height_px=128)
    made = write_synthetic_packs(tmp_path, wanted, (128, 128))
    assert made.written == 2
    assert write_synthetic_packs(tmp_path, wanted, (128, 128)).kept == 2
    data = PackDataset([tmp_path], augment=False)
    sample = data.sample(0, seed=0)
    # Where the photo shows the surface, the true flow fetches the target's colours, up to shading.
    moved = warp_image(sample.inputs.source.image, sample.target_flow)
    seen = sample.target_visibility
    assert seen.mean() > 0.02
    assert ((moved - sample.target).abs().mean(dim=1, keepdim=True) * seen).sum() / seen.sum() < 0.15
    prior = sample.inputs.driver.prior_visibility
    overlap = (prior * sample.target_mask).sum() / torch.maximum(prior, sample.target_mask).sum()
    assert overlap > 0.5
