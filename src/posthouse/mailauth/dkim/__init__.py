"""DKIM (RFC 6376, RFC 8301, RFC 8463): ``verify`` and ``sign`` stand on ``tags``, ``canonical``, ``signature`` and ``keys``."""
