"""The mail store's domain side: views of mailboxes that sessions share, and the evaluation of searches. No protocol text."""
