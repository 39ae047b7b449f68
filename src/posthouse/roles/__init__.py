"""Processes of a node: supervisor, workers, steward; which services make a role; the one place that picks backends."""
