"""What the recorded facts tell, in words and figures: stories of messages (MON-1). Reads records, never acts."""
