"""SPF (RFC 7208): ``macros`` and ``record`` read what is published, ``lookups`` asks DNS, ``check`` decides."""
