"""IMAP's wire, server side, without input or output: ``core`` takes octets and gives ``commands``; ``responses`` renders."""
