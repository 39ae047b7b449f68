"""Rehearsal (PLN-3): recorded traffic walks the real path twice, by the policy as it is and as it would be, and nothing is
delivered, counted or remembered.

``walk`` takes one session along a path and tells each recipient's fate; ``compare`` holds two walks against each other;
``overlays`` are the proposed scripts and lists in front of those at rest; ``untouched`` stands where something would be
written; ``answers`` is DNS. Deterministic: the clock stands at the session's time, ids come from it, DNS answers a question
once.
"""
