"""Formats of mail as pure functions on octets: MIME, header fields, dates, Received, DSNs. No I/O, no clock, no policy."""
