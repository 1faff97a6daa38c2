"""Many jobs at once: manifests, workers, results that survive whatever stops them."""
