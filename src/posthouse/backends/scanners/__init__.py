"""Clients of scanners and spam engines that run beside the node: small ones of our own, each for one protocol."""
