"""Specifications of the ops, in plain torch."""
