"""Hold the hand-written programs that the product is measured against; each runs as a process of its own."""
