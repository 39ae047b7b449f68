"""Publish and subscribe between the processes of a node. At most once; never the only copy of anything.

Topics: ``mailbox`` (``{"mailbox_id", "account_id", "mod_seq"}`` after a commit, ``"names"`` if others may see it; to those who
want it, see ``MailReader.want_notices``), ``bodies`` (the store has new contents),
``directory`` (something changed),
``settings`` (``{"version"}``), ``queue`` (new mail to deliver), ``greylist`` (triplets were deleted), ``connections`` (see
counters), ``reload`` (settings and certificates anew, and ``{"nameservers"}`` of node.toml), ``worker-gone``
(``{"process"}``: a process died), ``lost`` (messages to this process were dropped, so what it has cached may be old),
``virus-found`` (a ``VirusFound``), ``virus-patterns`` (there are newer ones), ``search-anew`` (the full-text index is to be
made anew), ``taught`` (``model.teaching``), ``account-held``
(``{"account", "account_id"}``: sending is stopped), ``drain`` and ``drain-steward`` (end in order), ``metrics``, and ``node``,
``node-ready``, ``node-reload``, ``node-stop`` to the supervisor, which answers ``node-status`` and ``node-reloaded``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

Payload = Mapping[str, object]
Handler = Callable[[Payload], None]


class Bus(Protocol):
    def publish(self, topic: str, payload: Payload) -> None:
        """To all processes of the node, this one included (called back soon, in order). Never blocks, never fails."""
        ...

    def deliver(self, topic: str, payload: Payload) -> None:
        """To this process's own handlers alone, at once: what came by another way."""
        ...

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        """``handler`` runs on the loop for each message; the result unsubscribes."""
        ...
