"""The IMAP server (IMP-1, IMP-2): sessions over ``protocols.imap``'s core, one file for each family of commands."""
