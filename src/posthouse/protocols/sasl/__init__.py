"""SASL mechanisms as sans-IO machines, shared by SMTP, IMAP, POP3 and ManageSieve (RFC 4422).

Server side in ``server.py`` (plain ones), ``scram.py`` and ``bearer.py`` (tokens); what a machine answers is in
``steps.py``; client side in ``client.py``.
Base64 and the protocol's own framing are the protocol cores' business. No look-ups, no hashing of passwords:
a machine says what it needs (``CheckPassword``, ``NeedScram``, ``CheckToken``) and the driver brings it.
"""

from posthouse.protocols.sasl.bearer import BearerServer
from posthouse.protocols.sasl.client import SaslClient, SaslError, choose_client
from posthouse.protocols.sasl.scram import ScramServer, make_scram
from posthouse.protocols.sasl.server import LoginServer, PlainServer, SaslServer, server_machine
from posthouse.protocols.sasl.steps import Challenge, CheckPassword, CheckToken, Done, Failed, NeedScram, SaslStep

__all__ = [
    "BearerServer",
    "Challenge",
    "CheckPassword",
    "CheckToken",
    "Done",
    "Failed",
    "LoginServer",
    "NeedScram",
    "PlainServer",
    "SaslClient",
    "SaslError",
    "SaslServer",
    "SaslStep",
    "ScramServer",
    "choose_client",
    "make_scram",
    "server_machine",
]
