"""The protocols of this project: self-reenactment, any video against the real one, and pose-transfer pairs."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from drn_core.evaluation.joints import OPENPOSE_NAMES
from drn_core.evaluation.parts import PART_NAMES
from drn_core.evaluation.protocol import Metric, Protocol

__all__ = ["PAIRS", "PROTOCOLS", "RECALL_RANKS", "REENACT", "VIDEO"]

RECALL_RANKS: Final = (1, 3, 5, 10, 20, 50)

_CLIP_SETTINGS = MappingProxyType(
    {
        "source_margin_frames": 5,
        "min_person_pixels": 400,
        "min_confidence": 0.6,
        "pck_torsos": 0.1,
        "ssim": "uniform 7x7, sample covariance, data range 255, in the person's box",
        "person": "MediaPipe pose (full, single pictures), segmentation above 0.5 in the real frame",
        "size": "generated frames are resized to the real ones (area)",
    }
)

_CORE: Final = (
    Metric("psnr", "dB", "higher", "perceptual", "Squared error on the person's pixels.", "decibels"),
    Metric("ssim", "", "higher", "perceptual", "Mean SSIM index on the person's pixels."),
    Metric(
        "tpsnr", "dB", "higher", "perceptual",
        "Squared error on the person's pixels after each 9x9 window chose its best shift within 1.5 % of the height.",
        "decibels",
    ),
    Metric("pck", "%", "higher", "structural", "Visible joints found again within 0.1 torso of the real ones."),
    Metric("akd", "% torso", "lower", "structural", "Mean distance of the joints found again from the real ones."),
    Metric("miss", "%", "lower", "structural", "Frames in which nobody is found."),
    Metric(
        "face", "", "higher", "semantic",
        "1 - distance of dlib's face descriptors, over frames with a real face; 0 where none is found.", needs="dlib",
    ),
    Metric("sharp", "", "one", "perceptual", "Laplacian energy over that of the real frame, on the person's pixels."),
    Metric("flick", "grey levels", "lower", "temporal", "Mean change of the error between successive frames."),
)  # fmt: skip

REENACT: Final = Protocol(
    name="reenact",
    version=1,
    summary="A clip made again from one of its own frames, judged inside the real person.",
    sample="clip",
    statistic="median",
    metrics=_CORE,
    settings=MappingProxyType({**_CLIP_SETTINGS, "decoding": "plain"}),
)

_VIDEO_ONLY: Final = (
    Metric("pck_05", "%", "higher", "structural", "As pck, within 0.05 torso."),
    Metric(
        "pckh", "%", "higher", "structural",
        "Visible joints within half the head's box in x and in y; the box spans nose, eyes, ears and neck.",
    ),
    *(
        Metric(f"pck_{part}", "%", "higher", "structural", f"As pck, joints of the {part}.") for part in PART_NAMES
    ),
    Metric("face_found", "%", "higher", "semantic", "Frames with a real face in which one is found.", needs="dlib"),
    Metric(
        "face_match", "%", "higher", "semantic",
        "Frames with a real face whose descriptor lies within 0.6 of it; not found counts as no match.", needs="dlib",
    ),
    *(
        Metric(f"psnr_{part}", "dB", "higher", "perceptual", f"As psnr, on the {part}.", "decibels")
        for part in PART_NAMES
    ),
    *(Metric(f"ssim_{part}", "", "higher", "perceptual", f"As ssim, on the {part}.") for part in PART_NAMES),
    Metric(
        "lpips", "", "lower", "perceptual", "LPIPS (AlexNet, v0.1) of the person's box.", needs="alexnet",
    ),
    Metric("fid", "", "lower", "perceptual", "FID of the generated frames to the real ones.", "set", "inception"),
    Metric(
        "warp", "grey levels", "lower", "temporal",
        "Mean difference of a frame from its predecessor warped along the real clip's flow, where that flow holds.",
    ),
    Metric("warp_real", "grey levels", "lower", "temporal", "The same of the real clip: what the flow itself misses."),
    Metric(
        "jitter", "% torso", "lower", "temporal",
        "Mean second difference, over three successive frames, of the joints' distance from the real ones.",
    ),
    Metric("seconds", "s", "lower", "cost", "Wall time of the whole command."),
    Metric("fps", "1/s", "higher", "cost", "Frames made per second of the whole command."),
    Metric("peak_mb", "MB", "lower", "cost", "Peak memory of the command."),
)  # fmt: skip

VIDEO: Final = Protocol(
    name="video",
    version=1,
    summary="A generated video against the real one: inside the person, per part, over time, and what it cost.",
    sample="clip",
    statistic="median",
    metrics=(*_CORE, *_VIDEO_ONLY),
    settings=MappingProxyType(
        {
            **_CLIP_SETTINGS,
            "decoding": "display",
            "face_match_distance": 0.6,
            "flow": "DIS (fast) at half size, kept where forward and backward agree within 1 px + 5 % of the motion",
        }
    ),
)

_PAIRS_METRICS: Final = (
    *(
        Metric(
            f"recall_{k}", "%", "higher", "semantic",
            f"Relevant source images among the {k} nearest, over all relevant ones (ResNet-50, cosine).",
            needs="retriever",
        )
        for k in RECALL_RANKS
    ),
    *(
        Metric(
            f"hit_{k}", "%", "higher", "semantic",
            f"Queries with a relevant source image among the {k} nearest.", needs="retriever",
        )
        for k in RECALL_RANKS
    ),
    *(
        Metric(
            f"recall_{k}_real", "%", "higher", "semantic",
            f"As recall_{k} with the real target as the query: the upper bound.", needs="retriever",
        )
        for k in RECALL_RANKS
    ),
    *(
        Metric(
            f"colour_recall_{k}", "%", "higher", "semantic",
            f"As recall_{k}, by colour histograms of six bands of the figure: no network, colour and cut only.",
        )
        for k in RECALL_RANKS
    ),
    *(
        Metric(
            f"colour_recall_{k}_real", "%", "higher", "semantic",
            f"As colour_recall_{k} with the real target as the query: the upper bound.",
        )
        for k in RECALL_RANKS
    ),
    Metric(
        "face_found", "%", "higher", "semantic", "Pairs with a real target face in which one is found.", needs="dlib",
    ),
    Metric(
        "face_match", "%", "higher", "semantic",
        "Pairs with a real target face whose descriptor lies within 0.6 of it; not found counts as no match.",
        needs="dlib",
    ),
    Metric(
        "face_distance", "", "lower", "semantic", "Mean distance of descriptors where both are found.", needs="dlib",
    ),
    Metric(
        "pckh", "%", "higher", "structural",
        "Target joints found again within half the head's box in x and in y (PATN's rule), all joints pooled.",
    ),
    Metric("pckh_02", "%", "higher", "structural", "As pckh, within 0.2 of the head's box."),
    *(
        Metric(f"pckh_{joint}", "%", "higher", "structural", f"As pckh, {joint.replace('_', ' ')} alone.")
        for joint in OPENPOSE_NAMES
    ),
    Metric("pck", "%", "higher", "structural", "Target joints found again within 0.1 of the torso's length, pooled."),
    Metric("pck_05", "%", "higher", "structural", "As pck, within 0.05 torso."),
    Metric("miss", "%", "lower", "structural", "Generated images in which nobody is found."),
    Metric(
        "ssim", "", "higher", "perceptual",
        "The lineage's SSIM: padded with white to a square, Gaussian window, data range of the generated image.",
    ),
    Metric("ssim_plain", "", "higher", "perceptual", "SSIM, uniform 7x7 window, data range 255, no padding."),
    Metric("psnr", "dB", "higher", "perceptual", "Mean over the pairs of each pair's PSNR."),
    *(
        Metric(f"ssim_{part}", "", "higher", "perceptual", f"SSIM (uniform window) on the {part} of the target.")
        for part in PART_NAMES
    ),
    Metric("lpips", "", "lower", "perceptual", "LPIPS (AlexNet, v0.1).", needs="alexnet"),
    Metric(
        "fid", "", "lower", "perceptual",
        "FID (Inception pool3) of generated images to the real targets, both padded with white to a square.",
        "set", "inception",
    ),
    Metric(
        "is", "", "higher", "perceptual", "Inception score, 10 splits, padded images.", "set", "inception",
    ),
    Metric(
        "blur", "", "lower", "perceptual", "No reference: Crete's blur effect (0 sharp, 1 blurred).", needs="skimage",
    ),
)  # fmt: skip

PAIRS: Final = Protocol(
    name="pairs",
    version=1,
    summary="Fine-grained human pose transfer on image pairs: semantic, structural, perceptual.",
    sample="pair",
    statistic="mean",
    metrics=_PAIRS_METRICS,
    settings=MappingProxyType(
        {
            "gallery": "all source images of the pairs",
            "face_match_distance": 0.6,
            "pckh_share": 0.5,
            "ssim": "Gaussian sigma 1.5, population covariance, data range of the generated image, white padding",
        }
    ),
)

PROTOCOLS: Final = MappingProxyType({protocol.id: protocol for protocol in (REENACT, VIDEO, PAIRS)})
"""All protocols by their id."""
