"""Tests of reading and writing videos."""
