"""drn_core."""
