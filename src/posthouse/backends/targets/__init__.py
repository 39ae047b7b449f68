"""Where mail is copied to (interfaces/mail_source.py): mbox files, Maildir trees, IMAP servers (PLN-4)."""
