"""ManageSieve (RFC 5804), the server's side, sans-IO: ``words`` cuts octets into a command's words, ``commands`` knows which
there are, ``core`` gives events and says when they are allowed, ``responses`` renders answers. It knows nothing of Sieve."""
