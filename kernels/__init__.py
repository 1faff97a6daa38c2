"""The warping core: sampling, splatting, drawing and blending, on CPU and on CUDA; see DESIGN.md beside this file."""
