"""POP3 (RFC 1939, 2449, 2595, 3206, 5034, 6856): the server core in ``server.py``, the locked mailbox in ``maildrop.py``."""
