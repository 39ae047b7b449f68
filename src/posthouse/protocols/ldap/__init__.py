"""LDAP version 3 as a client speaks it (RFC 4511): messages, filters, and the core that keeps them apart."""
