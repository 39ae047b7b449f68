"""Filters in structured form (CON-1, CON-2), for forms, operations and programs; at rest they are readable Sieve (CON-3).

``model`` is the form, with a JSON schema; ``document`` reads a script into filters and what else stands in it, and writes it
back; ``conditions`` and ``actions`` translate one condition or action. A filter is recognised by the comment in front of it and
by being written exactly as it would be written here; everything else in a script stays as it is, untouched.
"""

from posthouse.content.filters.document import Document, read, write
from posthouse.content.filters.model import Condition, Filter, Group, filter_schema

__all__ = ["Condition", "Document", "Filter", "Group", "filter_schema", "read", "write"]
