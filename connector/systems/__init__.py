"""Hold the external systems, one folder each; only the registry opens them."""
