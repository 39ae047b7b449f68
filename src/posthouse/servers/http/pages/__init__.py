"""The administration pages (ADM-4): made on the server, working without scripts, one form for each operation of the registry.

Imported at the first request to them only: templates and all operations come along.
"""

from posthouse.servers.http.pages.application import Pages

__all__ = ["Pages"]
