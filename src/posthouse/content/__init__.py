"""What is in a message (CON): filters in Sieve, word lists, scanners. A domain room: knows interfaces, formats, model only."""
