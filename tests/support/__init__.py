"""What several test rooms share: a real node in a temporary folder, an in-memory connection."""
