"""The network: pose branches, detail replenishing modules, composition, application at native size."""
