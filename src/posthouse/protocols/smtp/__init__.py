"""SMTP, LMTP and submission (RFC 5321, 2033, 6409): server core in ``server.py``, client core in ``client.py``."""
