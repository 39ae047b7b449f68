"""What commits accepted mail, and who writes notices in the node's name."""

from __future__ import annotations

from contextlib import closing

from posthouse.admin.context import Context
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.packing import Packer
from posthouse.backends.sqlite.quarantine import SqliteQuarantine
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.directory.rewriting import SenderRewriting
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.limits import Allowances
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.pipeline.node_letters import LetterTools
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.own_signature import OwnSignature
from posthouse.queue.notices import Notices
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


def mail_sink(gate: Gate, files: Files, live: Live, ids: Ids, may: Allowances, packer: Packer) -> SqliteSink:
    def lifetime_s() -> float:
        return live.settings().queue.lifetime_s

    return SqliteSink(gate, files.mail, lifetime_s=lifetime_s, ids=ids, allowances=may, packer=packer)


def held_mail(gate: Gate, files: Files, live: Live, ids: Ids, packer: Packer) -> SqliteQuarantine:
    """The quarantines of this node."""
    return SqliteQuarantine(gate, files.mail, lifetime_s=lambda: live.settings().queue.lifetime_s, ids=ids, packer=packer)


def notifier(config: NodeConfig, clock: Clock, live: Live, onward: Onward, keys: SigningKeys) -> Notices:
    """Who writes DSNs in the node's name."""
    return Notices(
        clock=clock,
        ids=Ids(clock),
        node_name=config.name,
        onward=onward.own_mail,
        double_bounce=lambda: live.settings().queue.double_bounce,
        believes=lambda: live.settings().queue.notify_doubtful,
        sign=OwnSignature(live.settings, keys, clock).of_node,
    )


async def node_secret(files: Files) -> bytes:
    """32 secret octets, the same in all processes of the node; keys for single purposes are made from them."""
    with closing(SqliteDirectory(files.directory)) as directory:
        return await directory.login_key()


async def sender_rewriting(files: Files, directory: Directory, live: Live, clock: Clock) -> SenderRewriting:
    """Who knows the senders of forwarded mail."""
    return SenderRewriting(await node_secret(files), directory, live.settings, clock)


def letter_tools(config: NodeConfig, context: Context, live: Live, onward: Onward) -> LetterTools:
    """With what the steward writes to people in the node's name."""
    return LetterTools(
        context.directory,
        onward.own_mail,
        context.sink,
        context.traces,
        context.clock,
        context.ids,
        config.name,
        OwnSignature(live.settings, context.signing_keys, context.clock).of_node,
    )
