"""The outbound queue: when and where each message goes, what came of it, and what its sender is told (OUT-6).

``runner.py`` drives; ``lines.py`` says who is next; ``attempt.py`` makes one attempt; ``targets.py`` finds hosts;
``outcomes.py`` judges answers; ``notices.py`` writes DSNs. No sockets here:
hosts are reached through ``interfaces.courier``.
"""
