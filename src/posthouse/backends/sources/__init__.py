"""Where mail is copied from (interfaces/mail_source.py): mbox files, Maildir trees, IMAP servers (PLN-4)."""
