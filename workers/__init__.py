"""Give connectors hands: Celery, Redis, HTTP, Flower."""
