"""Tests of drn_core.data."""
