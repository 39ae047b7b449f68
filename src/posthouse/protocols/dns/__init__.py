"""DNS messages as octets (RFC 1035): names, questions, answers. Pure; the resolver and the block list zone stand on it."""
