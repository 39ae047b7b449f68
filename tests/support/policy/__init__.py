"""The table of ``test_policy_table``: messages, each with envelope, client, and what is expected of them and why."""
