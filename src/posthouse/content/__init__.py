"""What is in a message (CON): filters in Sieve, word lists, and the scanners. A domain room: interfaces, formats and model only."""
