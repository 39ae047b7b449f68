"""Whatever a client sends, the session answers every tagged command once and never with SERVERBUG."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import World, message

NAMES = st.sampled_from(["INBOX", "inbox", "Trash", "a/b", "a", "nothing", '""', '"x y"', "&ZeU-", "a//b", "*", "/"])
SETS = st.sampled_from(["1", "1:*", "*", "3:2", "2,1", "9", "1:9", "$", "4294967295", "*:1", "5:*"])
FLAGS = st.sampled_from(["(\\Seen)", "(\\Deleted $X)", "()", "\\Flagged", "(\\Recent)", "(a b c)"])
ITEMS = st.sampled_from(
    ["FLAGS", "ALL", "FULL", "(UID ENVELOPE)", "BODY[]", "BODY[1.2.3]", "BODY.PEEK[HEADER]<0.10>", "BINARY[1]", "BODY",
     "BINARY.SIZE[1]", "(PREVIEW MODSEQ)", "BODYSTRUCTURE", "RFC822.TEXT", "(FLAGS) (CHANGEDSINCE 2)", "BODY[TEXT]<5.0>",
     "BODY[HEADER.FIELDS.NOT (From)]", "BODY[1.MIME]", "FLAGS (PARTIAL 1:2)", "FLAGS (PARTIAL -1:-1)", "FLAGS (VANISHED)"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["ALL", "SEEN", "NOT SEEN", "OR SEEN 1", "TEXT x", "SUBJECT hello", "SINCE 1-Jan-2020", "UID 1:*", "$", "OLDER 5", "NEW",
     "RETURN (SAVE) ALL", "RETURN (MIN MAX SAVE) ALL", "RETURN () UNSEEN", "RETURN (PARTIAL 1:2 COUNT) ALL", "MODSEQ 1",
     "RETURN (SAVE COUNT) TEXT zzz", "EMAILID M1", "SAVEDBEFORE 1-Jan-2020", "(LARGER 1 SMALLER 9)", "HEADER To jane", "9"]
)  # fmt: skip
UID = st.sampled_from(["", "UID "])
SORT_KEYS = st.sampled_from(["DATE", "REVERSE SIZE", "SUBJECT ARRIVAL", "CC", "DISPLAYTO REVERSE FROM", "NOTHING"])
FILTERS = st.sampled_from(
    ["SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE a", "MAILBOXES (INBOX a)"]
)
EVENTS = st.sampled_from(
    ["MessageNew MessageExpunge", "MessageNew (UID BODY.PEEK[TEXT]) MessageExpunge FlagChange", "MailboxName", "MessageNew",
     "MailboxName SubscriptionChange", "AnnotationChange"]
)  # fmt: skip
COMMANDS = st.one_of(
    st.builds("SELECT {}".format, NAMES),
    st.builds("EXAMINE {}".format, NAMES),
    st.builds("{}FETCH {} {}".format, UID, SETS, ITEMS),
    st.builds("{}STORE {} {}{} {}".format, UID, SETS, st.sampled_from(["", "+", "-"]), st.just("FLAGS"), FLAGS),
    st.builds("{}STORE {} (UNCHANGEDSINCE 3) +FLAGS.SILENT {}".format, UID, SETS, FLAGS),
    st.builds("{}SEARCH {}".format, UID, KEYS),
    st.builds("{}COPY {} {}".format, UID, SETS, NAMES),
    st.builds("{}MOVE {} {}".format, UID, SETS, NAMES),
    st.builds("CREATE {}".format, NAMES),
    st.builds("DELETE {}".format, NAMES),
    st.builds("RENAME {} {}".format, NAMES, NAMES),
    st.builds("LIST {} {}".format, NAMES, NAMES),
    st.builds('LIST (SUBSCRIBED RECURSIVEMATCH) "" {} RETURN (CHILDREN STATUS (MESSAGES))'.format, NAMES),
    st.builds('LSUB "" {}'.format, st.sampled_from(["*", "%", "a/%"])),
    st.builds("SUBSCRIBE {}".format, NAMES),
    st.builds("STATUS {} (MESSAGES UNSEEN HIGHESTMODSEQ)".format, NAMES),
    st.builds("UID EXPUNGE {}".format, SETS),
    st.builds("{}SORT ({}) UTF-8 {}".format, UID, SORT_KEYS, KEYS),
    st.builds("{}SORT RETURN ({}) (DATE) UTF-8 ALL".format, UID, st.sampled_from(["", "SAVE", "MIN MAX", "PARTIAL -1:-2"])),
    st.builds("{}THREAD {} UTF-8 ALL".format, UID, st.sampled_from(["REFERENCES", "ORDEREDSUBJECT", "REFS"])),
    st.builds("{}REPLACE {} {} {{5+}}\r\nS: x\n".format, UID, st.sampled_from(["1", "*", "9", "2:3"]), NAMES),
    st.builds('APPEND {} CATENATE (URL "/INBOX/;UID={}" TEXT {{2+}}\r\nxy)'.format, NAMES, st.sampled_from(["1", "9", "0"])),
    st.builds("APPEND {} ~{{5+}}\r\nS: \0\n".format, NAMES),
    st.builds("NOTIFY SET {}({} ({}))".format, st.sampled_from(["", "STATUS "]), FILTERS, EVENTS),
    st.builds("GENURLAUTH imap://x/{}/;UID=1;URLAUTH={} INTERNAL".format, NAMES, st.sampled_from(["anonymous", "user+", "x"])),
    st.builds("URLFETCH imap://x/{}/;UID=1;URLAUTH=anonymous:internal:00 x".format, NAMES),
    st.builds("APPEND {} {} {{5+}}\r\nS: x\n".format, NAMES, FLAGS),
    st.builds("ENABLE {}".format, st.sampled_from(["CONDSTORE", "QRESYNC", "IMAP4rev2", "UTF8=ACCEPT", "UIDONLY"])),
    st.sampled_from(
        [
            "EXPUNGE",
            "NOOP",
            "CLOSE",
            "UNSELECT",
            "CHECK",
            "NAMESPACE",
            "IDLE\r\nDONE",
            "CAPABILITY",
            "FOO",
            "",
            "NOTIFY NONE",
            "RESETKEY",
            "RESETKEY INBOX",
        ]
    ),
)


async def _run(scripts: tuple[list[str], list[str]]) -> None:
    world = World()
    await world.start()
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(message(str(n))) for n in range(4)])
    clients = [await world.login(), await world.login()]
    for client in clients:
        await client.do("SELECT INBOX")
    for number in range(max(map(len, scripts))):
        for client, script in zip(clients, scripts, strict=True):
            if number >= len(script) or client.transport.closed:
                continue
            tag = f"z{number}"
            client.send(f"{tag} {script[number]}\r\n".encode())
            await client.settle(lambda client=client, tag=tag: (  # type: ignore[misc]
                re.search(rb"(^|\r\n)%b (OK|NO|BAD) " % tag.encode(), client.transport.sent[client.taken :]) is not None
                or client.transport.closed
            ))  # fmt: skip
            said = client.octets()
            assert b"SERVERBUG" not in said, (script[number], said)
            answers = re.findall(rb"(?:^|\r\n)%b (?:OK|NO|BAD) " % tag.encode(), said)
            assert len(answers) == 1 or b"* BYE " in said, (script[number], said)
    await world.stop()


@given(st.tuples(st.lists(COMMANDS, max_size=15), st.lists(COMMANDS, max_size=15)))
@settings(max_examples=120, deadline=None)
def test_every_command_has_one_answer_and_none_is_a_server_bug(scripts: tuple[list[str], list[str]]) -> None:
    asyncio.run(_run(scripts))
