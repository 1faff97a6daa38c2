"""Packaging of retarget: metadata, extras and the `retarget` command."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

# MediaPipe 0.10.21 is the last line whose wheel carries the models; it needs numpy < 2.
# All of an environment has to be resolved in one install, or pip breaks these pins.
INSTALL_REQUIRES = [
    "torch>=2.4",
    "torchvision>=0.19",
    "av>=17.1",
    'decord>=0.6; platform_machine == "x86_64" or platform_machine == "AMD64"',
    "mediapipe>=0.10.14,<0.10.22",
    "ffmpeg-python>=0.2",
    "imageio-ffmpeg>=0.5",
    "numba>=0.59",
    "tqdm>=4.66",
    "numpy>=1.26,<2",
    "scipy>=1.11",
    "pymatting>=1.1.12",
    "pillow>=10",
    "safetensors>=0.4",
    "filelock>=3.13",
    "platformdirs>=4",
    "psutil>=5.9",
    "pyyaml>=6",
    "jinja2>=3.1",
    "typing_extensions>=4.4",
]

EVAL = [
    "torchmetrics[image]>=1.4",
    "scikit-image>=0.22",
    "dlib-bin>=19.24",
    "face_recognition_models>=0.3",
    "setuptools<81",
]
RAY = ["ray[default]>=2.9"]
TRAIN = ["tensorboard>=2.16"]
CUDA = ["cuda-core>=1.0", "cuda-bindings>=12", "nvidia-cuda-nvrtc"]
DEV = [
    *EVAL, *RAY, *TRAIN, *CUDA,
    "pytest>=8", "pytest-xdist>=3.5", "pytest-cov>=5", "pytest-timeout>=2.3", "hypothesis>=6.100",
    "ruff>=0.6", "mypy>=1.11", "types-tqdm", "types-PyYAML", "types-psutil",
]  # fmt: skip

setup(
    name="retarget",
    version="0.1.0",
    description="One photo of a person + a driving video = a video in which that person makes that motion.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["retarget*", "drn_core*", "kernels*"]),
    package_data={
        "kernels": ["csrc/*.cu", "csrc/*.h", "csrc/*.cuh"],
        "drn_core": ["assets/*", "recipes/*.json"],
        "retarget": ["assets/*", "batch/templates/*", "inspect/templates/*"],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require={"eval": EVAL, "ray": RAY, "train": TRAIN, "cuda": CUDA, "dev": DEV},
    entry_points={"console_scripts": ["retarget = retarget.cli.main:console_main"]},
)
