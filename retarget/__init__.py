"""Retarget: one photo of a person + a driving video = a video in which that person makes that motion."""

__version__ = "0.1.0"
