"""drn_core.fill."""
