"""The tests of the language, a file for each subject. Each module lists its own in ``TESTS``."""
