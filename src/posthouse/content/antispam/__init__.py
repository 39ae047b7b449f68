"""The embedded spam scorer (CON-8): tokens, what is learnt from them, heuristic rules in groups and their updates (CON-10)."""
