"""Play a day of real-looking traffic through real processes, against sandboxes of the vendors, and judge it."""
