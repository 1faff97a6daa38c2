"""Errors of the network package; the application maps them to exit codes."""

from __future__ import annotations

__all__ = ["CheckpointError", "ConfigError", "DRNError", "DataError", "TrainingError", "WeightsMissingError"]


class DRNError(Exception):
    """Root of all errors of this package; the message is one line that names what and where."""


class ConfigError(DRNError):
    """A configuration has an unknown key, a wrong type or values that do not fit together."""


class CheckpointError(DRNError):
    """A weights file is corrupt, a pickle, or of another architecture or version."""


class WeightsMissingError(DRNError):
    """Weights that a loss term needs are not on this machine."""


class DataError(DRNError):
    """Training data is missing, unreadable or inconsistent."""


class TrainingError(DRNError):
    """Training can't go on: a loss is not finite, or its state can't be saved."""
