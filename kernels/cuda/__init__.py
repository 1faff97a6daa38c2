"""CUDA implementations of the ops: sources in `kernels/csrc`, compiled at first use."""
