"""The text of a message, for searching: headers, text parts, HTML as it is shown, and the documents people attach.

Everything here is pure and bounded; the readers of documents (``documents``) may still be slow or hungry on hostile files, so
they run in a process of their own (``backends.document_reader``).
"""
