"""The other baseline for comparisons: the photo stands still for as long as the driver lasts."""

from __future__ import annotations

import argparse

import av
import cv2
import numpy as np


def main() -> None:
    """Repeat the photo, frame by frame of the driver."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("source", "driver", "output"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    picture = cv2.imread(args.source)
    if picture is None:
        raise SystemExit(f"{args.source}: can't be read")
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    photo = np.ascontiguousarray(picture[:height, :width, ::-1])
    with av.open(args.driver) as driver, av.open(args.output, "w") as container:
        stream = container.add_stream("libx264", rate=driver.streams.video[0].average_rate or 25)
        stream.width, stream.height, stream.pix_fmt, stream.options = width, height, "yuv420p", {"crf": "14"}
        for _ in driver.decode(video=0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(photo, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
