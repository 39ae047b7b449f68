"""The one room that picks backends. ``worker`` builds what protocol servers are given, ``steward`` what writes and runs
operations, ``offline_context`` the same for operations on a node that does not run.

Everything built here stands behind an interface; nothing else in the house imports a backend.
"""

from posthouse.roles.bootstrap.for_indexer import indexer
from posthouse.roles.bootstrap.for_offline import offline_context
from posthouse.roles.bootstrap.for_steward import Steward, steward
from posthouse.roles.bootstrap.for_worker import Worker, open_bus, worker

__all__ = ["Steward", "Worker", "indexer", "offline_context", "open_bus", "steward", "worker"]
