"""Attacks by what messages contain, and by whom they claim to be from: whole messages over real sessions, bounded in time and
number, as in ``attacks.py``.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from support.archives import zipped
from support.attacks import JANE, Peer, Ports, many, strangers

FILTERED = "evil"
"""Stands in the subjects of regex bombs; the node has a filter with ``EXPRESSIONS`` for them."""
EXPRESSIONS = ("(a+)+$", "(a|aa)+b", "(.*a){20}c", "(x+x+)+y")
VICTIM = b"victim@bystander.test"
"""Somebody whose domain says by SPF that none of the attackers may use it."""
REFUSING = b"refusing.test"
"""A domain whose mail is taken, and then refused by the host behind."""


async def _sent(ports: Ports, messages: Sequence[bytes], sender: bytes, recipients: Sequence[bytes], count: int) -> None:
    address = strangers()
    said: Counter[str] = Counter()

    async def one(number: int) -> None:
        async with Peer(ports.smtp, next(address)) as peer:
            await peer.line()
            to = recipients[number % len(recipients)]
            taken = await peer.say(b"EHLO a.test", b"MAIL FROM:<" + sender + b">", b"RCPT TO:<" + to + b">")
            if not taken.startswith(b"250"):
                said[taken[:9].decode()] += 1
                return
            await peer.say(b"DATA")
            content = messages[number % len(messages)]
            for at in range(0, len(content), 65_536):
                peer.writer.write(content[at : at + 65_536])
                await peer.writer.drain()
            answer = await peer.say(b"\r\n.", timeout_s=20.0)
            said[answer[:9].decode()] += 1

    await many(count, 50, one, 6.0)
    assert said.total() > 10, "the attack reaches what it is meant for"


async def regex_bombs(ports: Ports) -> None:
    """Bodies that make expressions of filters try everything, where matching goes back."""
    head = b"From: x@good.test\r\nSubject: evil\r\n\r\n"
    bodies = [b"a" * 70, b"x" * 70, b"ab" * 35, b"aaaaaaaaab" * 7]
    await _sent(ports, [head + (body + b"!\r\n") * 1200 for body in bodies], b"x@good.test", [JANE], 200)


async def zip_bombs(ports: Ports) -> None:
    """Archives of much nothing, and archives in archives."""
    flat = zipped({f"{number}.txt": bytes(4 << 20) for number in range(20)})
    nested = flat
    for _ in range(6):
        nested = zipped({f"{number}.zip": nested for number in range(3)})
    head = b'From: x@good.test\r\nSubject: carrier\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name="a.zip"\r\n'
    messages = [head + b"Content-Transfer-Encoding: base64\r\n\r\n" + _base64(each) for each in (flat, nested)]
    await _sent(ports, messages, b"x@good.test", [JANE], 60)


def _base64(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


async def mime_nests(ports: Ports) -> None:
    """Multiparts and messages in one another, thousands deep; thousands of parts; boundaries that never end."""
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(5000))
    messages = b"Content-Type: message/rfc822\r\n\r\n" * 5000
    wide = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 50_000 + b"--b--\r\n"
    same = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' * 5000
    long = b'Content-Type: multipart/mixed; boundary="' + b"b" * 900 + b'"\r\n\r\n' + (b"--" + b"b" * 899 + b"\r\n") * 500
    head = b"From: x@good.test\r\nSubject: carrier\r\nMIME-Version: 1.0\r\n"
    await _sent(ports, [head + each for each in (deep, messages, wide, same, long)], b"x@good.test", [JANE], 150)


async def header_injection(ports: Ports) -> None:
    """Line ends where a field, a reply or a path would carry them on, raw, encoded and escaped."""
    address = strangers()
    lines = (b"\r", b"\n", b"\0", b"%0d%0a", b"\\r\\n", b"\xe5\x98\x8a\xe5\x98\x8d", b"\x0b", b"\x85", b"\xe2\x80\xa8")
    words = [b"a.test" + end + b"X-Injected: 1" for end in lines]

    async def one(number: int) -> None:
        async with Peer(ports.smtp, next(address)) as peer:
            word = words[number % len(words)]
            await peer.line()
            await peer.say(b"EHLO " + word, b"EHLO a.test", b"MAIL FROM:<x@good.test> ENVID=" + word)
            await peer.say(b'MAIL FROM:<"x' + word + b'"@good.test>', b"MAIL FROM:<x@good.test>")
            await peer.say(b"RCPT TO:<" + JANE + b"> ORCPT=rfc822;" + word, b"RCPT TO:<" + JANE + b">", b"DATA")
            encoded = b"=?utf-8?b?" + base64.b64encode(b"carrier\r\nX-Injected: 1\r\n\r\nbody") + b"?="
            quoted = b"=?utf-8?q?carrier=0D=0AX-Injected:_1?="
            head = b"From: " + quoted + b" <x@good.test>\r\nSubject: " + encoded + b"\r\nMessage-ID: <" + word + b"@good.test>"
            await peer.say(head + b"\r\nReply-To: " + encoded + b" <x@good.test>\r\n\r\nhi\r\n.", b"QUIT")

    await many(300, 30, one, 2.5)


async def encoded_words(ports: Ports) -> None:
    """Encoded words without number, within one another, in unknown and multi-octet character sets, cut in the middle."""
    charsets = (b"utf-8", b"iso-2022-jp", b"utf-7", b"x-unknown", b"hz-gb-2312", b"utf-16", b"idna", b"zlib_codec", b"punycode")
    many_words = [b" =?" + each + b"?q?" + b"=FF=1B" * 10 + b"?=\r\n" for each in charsets]
    cut = b" =?utf-8?b?4oKs4oK\r\n =?utf-8?q?=?utf-8?q?=E2=82?=?=\r\n =?" + b"?" * 900 + b"\r\n"
    fields = [b"Subject: carrier\r\n" + each * 300 for each in (*many_words, cut)]
    fields += [b"To:" + each * 300 for each in many_words]
    head = b"From: =?utf-8?q?=00=0D?= <x@good.test>\r\n"
    messages = [head + each + b"\r\nhi\r\n" for each in fields]
    await _sent(ports, messages, b"x@good.test", [JANE], 150)


async def forged_bounces(ports: Ports) -> None:
    """Mail in the name of somebody, to users that there are not, and to a host that refuses what was taken for it; and bounces
    from nobody. Nothing of it may go back to the victim."""
    message = b"From: " + VICTIM + b"\r\nSubject: carrier\r\nReturn-Receipt-To: " + VICTIM + b"\r\n\r\nhi\r\n"
    report = b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
    bounce = b"From: <>\r\nSubject: carrier\r\nMIME-Version: 1.0\r\n" + report + b"\r\n--b\r\n\r\nfailed\r\n--b--\r\n"
    unknown = [b"nobody%d@example.test" % number for number in range(25)]
    await _sent(ports, [message], VICTIM, [*unknown, *(b"x%d@" % number + REFUSING for number in range(25))], 150)
    await _sent(ports, [bounce], b"", [JANE, *unknown[:5]], 100)


BY_CONTENT: dict[str, Callable[[Ports], Awaitable[None]]] = {
    attack.__name__: attack for attack in (regex_bombs, zip_bombs, mime_nests, header_injection, encoded_words, forged_bounces)
}
