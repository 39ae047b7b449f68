"""Sans-IO cores of the mail protocols: octets in, events out; answers in, octets out.

A core never touches a socket, a clock or a thread. The servers (and the queue's deliverer) do the I/O around it, await
policy, and tell the core what was decided. So every dialogue can be tested in memory, cut at every octet.
"""
