"""Training and its data, as the command line needs them."""
