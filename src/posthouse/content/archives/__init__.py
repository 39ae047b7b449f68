"""Archives of strangers, opened within bounds (CON-14): what is in them, whether it is encrypted, whether it is a bomb.

``opening.look_into`` is the one door; it runs in a thread, never raises for what a stranger sent, and holds little in
memory: members are unpacked in pieces, nested archives into a nameless file. One module a format; each gives ``Entry`` after
``Entry`` and asks the ``Meter`` before it spends anything.
"""
