"""A message's way through the house. Read ``path.py`` first: it lists the stages in order."""
