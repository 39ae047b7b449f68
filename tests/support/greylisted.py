"""Attempts at a node that greylists, from any client address: by way of the PROXY protocol from loopback."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from support.node import Node

MESSAGE = "From: lena@elsewhere.test\r\nTo: jane@example.test\r\nSubject: Hello\r\n\r\nHi.\r\n"


def greylisting(node: Node, **settings: str) -> None:
    """Switches it on, with a window that begins after a second, unless said otherwise."""
    given = {"earliest_s": "1s", "latest_s": "30s", "timeout_s": "20s", "mode": "on", **settings}
    lines = [f"greylist.{key} = {value}\n" for key, value in given.items()]
    lines += ["smtp.proxy_networks = 127.0.0.0/8\n", "smtp.sender_check = off\n", "smtp.tarpit_s = 0\n"]
    lines += ["mailauth.verify = off\n", "lookup.greeting_timeout_s = 0\n"]
    node.run("setting", "import", stdin="".join(lines))


class Client:
    """One SMTP connection of a stranger."""

    def __init__(self, port: int, address: str = "192.0.2.9") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        family = "TCP6 {} ::1" if ":" in address else "TCP4 {} 127.0.0.1"
        self.socket.sendall(f"PROXY {family.format(address)} 40000 25\r\n".encode())
        self.lines = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO client.elsewhere.test")

    def reply(self) -> str:
        """The last line of a reply."""
        while (line := self.lines.readline().decode().rstrip())[3:4] == "-":
            pass
        return line

    def say(self, command: str) -> str:
        self.socket.sendall(f"{command}\r\n".encode())
        return self.reply()

    def close(self) -> None:
        self.lines.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Attempt:
    """One message on its way from one client."""

    sender: str = "lena@elsewhere.test"
    recipient: str = "jane@example.test"
    address: str = "192.0.2.9"
    login: str = ""
    """What AUTH PLAIN says, in clear text, if the client logs in."""
    message: str = MESSAGE

    def at(self, port: int, *, whole: bool = True) -> str:
        """The reply that decided it: to RCPT if that was no, else to the message."""
        with Client(port, self.address) as client:
            if self.login:
                assert client.say(f"AUTH PLAIN {self.login}").startswith("235")
            client.say(f"MAIL FROM:<{self.sender}>")
            reply = client.say(f"RCPT TO:<{self.recipient}>")
            if not reply.startswith("250") or not whole:
                return reply
            client.say("DATA")
            return client.say(self.message + ".")
