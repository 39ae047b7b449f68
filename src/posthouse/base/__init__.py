"""Ground floor: errors, clock, identifiers, settings mechanism, metrics, logging. Knows nothing of mail servers."""
