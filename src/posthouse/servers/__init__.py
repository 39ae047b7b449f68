"""Listeners: sockets, TLS, time-outs and back-pressure around the sans-IO cores. One file a protocol."""
