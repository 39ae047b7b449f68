"""The embedded engine: SQLite files in WAL mode, one writing process for each file, readers in every process."""
