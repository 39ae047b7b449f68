"""The words of the house as frozen values: addresses, envelopes, sessions, verdicts, plans, accounts. No I/O, no policy."""
