"""Time every op and backend against torch: `python -m kernels.bench`."""
