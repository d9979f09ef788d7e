"""Keep every record in Redis; the only rooms that talk to it."""
