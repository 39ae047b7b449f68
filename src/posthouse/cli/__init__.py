"""The ``posthouse`` command: what people and scripts type. Everything is imported when it is needed."""
