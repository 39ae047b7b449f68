"""Bulk signatures (CON-9): content that comes again and again, to many people, from many places."""
