"""numba implementations of the ops: loops without the GIL, on a pool of our own."""
