"""Short texts on subjects, for ``help about TOPIC`` (ADM-2)."""

from __future__ import annotations

TOPICS: dict[str, str] = {
    "start": """\
Add a domain, then users:
    domain add example.com
    user add jane@example.com --name "Jane Doe"
The password is asked for, or read from standard input. Mail for jane@example.com is then accepted, and she can read it
over IMAP and POP with her address as login.""",
    "addresses": """\
An address is local@domain. Capitals make no difference. Mail for local+detail@domain goes to local@domain, into the
mailbox named by the detail if there is one. A domain may have a catch-all address; without it mail for unknown users is
refused in the session.""",
    "patterns": """\
In patterns * stands for any run of characters: user list j*@example.com, mail trace --sender *@example.net.""",
    "times": """\
A time is how long ago, 90s, 15m, 2h, 3d, 1w, or a date and time, 2026-11-24 or 2026-11-24T10:30, in UTC unless it names
another zone (+01:00).""",
    "settings": """\
Settings have keys of the form group.name. setting list shows them, setting get KEY explains one, setting set KEY VALUE
changes it, checked and without a restart. Short forms leave out the group: smtp set max_recipients 200. Every change is a
version: setting history shows who, when, before and after; setting undo takes one back. setting export writes them all as
text, setting import reads that text.""",
    "queue": """\
Mail for elsewhere waits in the queue until it is delivered or given up. queue list shows it, queue show ID tells what the
other side answered. queue retry tries now, queue hold keeps, queue release lets go, queue delete takes out without notice.
Settings of the queue are set by setting set queue.NAME VALUE.""",
    "filters": """\
Filters stand at three levels: --system before all others, --domain NAME, --user ADDRESS. Each is kept as readable Sieve, so
users may also write scripts of their own and upload them by ManageSieve; what is no filter in our form stays as it is.
    filter add News --user jane@example.com --when "subject contains news offer; not from is boss@example.com"
        --match any --do "move_to News create; set_flags \\Seen"
A condition is [not] FIELD OPERATOR VALUE..., an action its name and what it needs; a wrong word is answered by the list of
right ones. Operators: is, contains, starts, ends, matches (* and ?), regex, greater, less, at_least, exists.
filter test --user ADDRESS < message tells what would happen and why, test by test. Word lists for filters: wordlist add.""",
    "tracing": """\
Every message has a trace id, which is in the reply to its sender and in its Received header. mail trace WORD tells its
story; WORD is a trace id, a Message-ID or an address. --sender, --recipient, --since narrow the search.""",
    "quarantine": """\
Held mail waits in quarantines: of an outbreak check (goes on by itself), of viruses (never released as it is), of filters (one
a name), and of each user's junk. quarantine list shows it with the reason, quarantine show ID the message; release lets it go
on through the scanners, delete drops it, reject sends back what a filter holds, inform tells the recipient, or asks the sender
for a clean copy. Every look, release and deletion is in audit list.""",
    "roles": """\
An administrator may do everything. A domain administrator sees and changes only what belongs to the domain of their own
address. A quarantine administrator looks after held mail. Help desk may give users new passwords, and look. A reader may
look. Each user has one role: user set ADDRESS --role ROLE.""",
    "scripts": """\
posthouse --config node.toml NOUN VERB ... runs one operation and exits with 0, or with 1 (it failed), 2 (wrong syntax) or
3 (the node cannot be reached) and one line on standard error. --json gives the result as JSON. The administration
protocol runs the same operations over TCP.""",
}
