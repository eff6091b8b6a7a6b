"""From published containers to documents: the shard plan, the readers, locators, normalisation. Knows nothing of thresholds."""
