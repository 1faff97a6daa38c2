"""What a run writes down: JSON lines, TensorBoard where it is installed."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Logbook"]


class Logbook:
    """Appends to `log.jsonl` of a run, and mirrors scalars and sheets to TensorBoard.

    Args:
        folder: of the run; created.
        tensorboard: mirror to TensorBoard if it is installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        self.has_tensorboard = tensorboard and importlib.util.find_spec("tensorboard") is not None
        self._writer: Any = None
        if self.has_tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Append one record.

        Args:
            kind: "train", "validate", "phase", "note" ...
            step: of the whole recipe.
            values: JSON values; numbers also go to TensorBoard.
        """
        record = {"kind": kind, "step": step, "time": round(time.time(), 3), **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self._writer is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{kind}/{name}", value, step)

    def write_sheet(self, step: int, sheet: npt.NDArray[np.uint8]) -> None:
        """Mirror a sample sheet (H, W, 3) to TensorBoard."""
        if self._writer is not None:
            self._writer.add_image("samples", sheet, step, dataformats="HWC")

    def close(self) -> None:
        """Flush and close."""
        if self._writer is not None:
            self._writer.close()
