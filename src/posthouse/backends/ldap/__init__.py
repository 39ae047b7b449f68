"""Outside directories asked over LDAP."""
