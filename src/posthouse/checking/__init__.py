"""Is the node's house in order, and does the world see it as it should (PLN-2)? Looks and tells; changes nothing."""
