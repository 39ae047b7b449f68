"""In-memory implementations: the fakes of tests, held to the same contract suites as the real ones."""
