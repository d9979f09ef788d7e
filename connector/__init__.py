"""Say what a connector is: readable, runnable and testable with no network, files, Redis, Celery or clock."""
