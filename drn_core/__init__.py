"""The DRN and everything it needs, in terms of tensors and arrays only."""
