"""Add our pages to Flower: how connectors stand, dead letters, why a ticket did not sync, the audit, mappings."""
