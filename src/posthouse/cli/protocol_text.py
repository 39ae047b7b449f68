"""The written description of the administration protocol (ADM-3); ``posthouse docs`` puts it into the reference."""

PROTOCOL = r"""
# Administration protocol

For scripts. TCP, the listeners `admin` (clear text; usual port 10143) and `admins` (TLS from the first octet; usual port
10243). Lines end in CRLF, text is UTF-8. Passwords are taken in clear text from loopback addresses only, unless the
setting `auth.plaintext` is on.

## Grammar

    greeting  = "* OK" SP host SP "admind" SP number "." number "." number CRLF
    request   = tag SP word *(SP word) CRLF
    word      = bare / quoted / literal
    bare      = 1*(any octet but space, tab, CR, LF, NUL; not beginning with DQUOTE)
    quoted    = DQUOTE *(any octet but DQUOTE, "\", CR, LF, NUL / "\" octet) DQUOTE
    literal   = "{" number "+}" CRLF number*octet       ; then the request goes on
    reply     = *data (tag SP ("OK" / "NO") [SP text] CRLF)
    data      = "* " tag SP field *(SP field) CRLF
    field     = bare / quoted / ("{" number "}" CRLF number*octet)   ; the last form only at a line's end

- A tag is any word of up to 64 characters without `*`, parentheses, braces, quotes or backslash; the reply repeats it.
  Requests may be sent without waiting; replies come in the same order.
- A word that is empty or has white space, parentheses, `\` or `"` in it is quoted. One with line ends goes as a
  non-synchronising literal: the octets follow at once, no continuation is awaited.
- Words of commands are matched without regard to case.
- In data lines texts are quoted, numbers and yes/no are bare. A last field with line ends goes as a literal.
- A request may have 8 KiB before the login and 1 MiB after it; a line 64 KiB. Past that the connection is closed.
- A line that is no request gets `NO` with its tag, or with `*` if it had none.

## Session

| request | reply |
| --- | --- |
| `LOGIN user password` | one data line with the session's id, then `OK`; `NO` when refused, after a delay that grows |
| `VERSION` | `OK` and the version |
| `LOGOUT` | `OK`, then the connection is closed |
| `DOMAIN SETCURRENT name` | names without `@` belong to this domain from now on, lists show only it; an empty name ends that |

Only accounts with the role administrator, domain-administrator, help-desk or reader may log in. At first the current domain
is the domain administrator's own, else the setting `auth.default_domain`.

## Operations

Every operation of the reference is a request: its noun, its verb, its arguments as words. Options may be written
`--name value`, or follow as plain words in the order of the reference; an empty word stands for the default:

    C: 1 USER ADD bob secret "Bob Smith"
    S: 1 OK
    C: 2 USER LIST "" "" ""
    S: * 2 "bob" "Bob Smith"
    S: * 2 "joe" "Joe Brown"
    S: 2 OK
    C: 3 USER ADD bob secret "Bob Smith"
    S: 3 NO Already exists: bob@example.com
    C: 4 MAILBOX LIST % "" ""
    S: * 4 "user.bob"
    S: * 4 "user.joe"
    S: 4 OK

`MAILBOX LIST` takes an address, or a pattern over names of the form `user.NAME.MAILBOX`, in which `*` is any run of
characters and `%` one without dots; dots within a name are shown as `^`.

## Examples

Shell:

    printf '1 LOGIN admin@example.com %s\r\n2 USER LIST\r\n3 LOGOUT\r\n' "$PASSWORD" | nc 127.0.0.1 10143

Python:

    import socket

    with socket.create_connection(("127.0.0.1", 10143)) as peer, peer.makefile("rwb") as lines:
        print(lines.readline())
        lines.write(b'1 LOGIN admin@example.com "open sesame"\r\n')
        lines.flush()
        while not (line := lines.readline()).startswith((b"1 OK", b"1 NO")):
            print(line)

Perl:

    use Net::MirapointAdmin;
    my $node = Net::MirapointAdmin->new(host => "127.0.0.1", port => 10143);
    $node->login('admin@example.com', $password);
    my @users = $node->command_ok(qw/USER LIST/, "", "", "");
    print "$$_[0]: $$_[1]\n" for @users;
"""
