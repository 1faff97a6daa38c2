"""Evaluation of videos and image pairs: observers, caches, suites and reports."""
