"""What the commands do to a user's scripts (RFC 5804 §2.5 to §2.12). A script is checked before it is kept."""

from __future__ import annotations

import asyncio

from posthouse.base.clock import Clock
from posthouse.base.errors import AlreadyExists, MailError, NotFound, Temporary
from posthouse.content.sieve import ScriptError, compile_script
from posthouse.interfaces.scripts import Scripts, ScriptsWriter
from posthouse.model.script import MAX_OWNER_BYTES, MAX_SCRIPT_BYTES, MAX_SCRIPTS, ScriptOwner, normal_script_name
from posthouse.protocols.managesieve import commands as cmd
from posthouse.protocols.managesieve import responses

CHECK_IN_THREAD_CHARS = 16_384


class UserScripts:
    """One user's. Each method gives the octets to be sent."""

    def __init__(self, scripts: Scripts, writer: ScriptsWriter, clock: Clock, account_id: int) -> None:
        self._scripts = scripts
        self._writer = writer
        self._clock = clock
        self._owner = ScriptOwner("user", account_id)

    async def carry_out(self, command: cmd.Command) -> bytes:
        """The answer to a command about scripts. Errors of the family and of scripts become NO."""
        try:
            return await self._done(command)
        except ScriptError as error:
            return responses.no(error.public)
        except MailError as error:
            return responses.no(error.public, _code(error))

    async def _done(self, command: cmd.Command) -> bytes:
        if isinstance(command, cmd.ListScripts):
            return await self._list()
        if isinstance(command, cmd.GetScript):
            return await self._get(command.name)
        if isinstance(command, cmd.HaveSpace):
            await self._require_space(command)
        elif isinstance(command, cmd.CheckScript):
            await check(command.text)
        elif isinstance(command, cmd.PutScript):
            await check(command.text)
            await self._writer.put_script(self._owner, command.name, command.text, self._clock.now())
        elif isinstance(command, cmd.SetActive):
            await self._set_active(command.name)
        elif isinstance(command, cmd.DeleteScript):
            await self._writer.delete_script(self._owner, command.name)
        elif isinstance(command, cmd.RenameScript):
            await self._writer.rename_script(self._owner, command.name, command.new_name)
        return responses.ok()

    async def _list(self) -> bytes:
        rows = await self._scripts.scripts(self._owner)
        return b"".join(responses.script_line(row.name, active=row.active) for row in rows) + responses.ok()

    async def _get(self, name: str) -> bytes:
        found = await self._scripts.script(self._owner, normal_script_name(name))
        if found is None:
            raise NotFound(f"no script {name!r}")
        return responses.literal(found.text.encode("utf-8", "replace")) + b"\r\n" + responses.ok()

    async def _set_active(self, name: str) -> None:
        if name:
            await self._writer.activate(self._owner, normal_script_name(name))
        else:
            await self._writer.deactivate_all(self._owner)

    async def _require_space(self, command: cmd.HaveSpace) -> None:
        name = normal_script_name(command.name)
        others = [row for row in await self._scripts.scripts(self._owner) if row.name != name]
        taken = sum(len(row.text.encode("utf-8", "replace")) for row in others)
        if command.size_bytes > MAX_SCRIPT_BYTES:
            raise _NoRoom(f"a script is at most {MAX_SCRIPT_BYTES} octets long", "QUOTA/MAXSIZE")
        if len(others) >= MAX_SCRIPTS:
            raise _NoRoom(f"there are {MAX_SCRIPTS} scripts already", "QUOTA/MAXSCRIPTS")
        if taken + command.size_bytes > MAX_OWNER_BYTES:
            raise _NoRoom(f"all scripts together are at most {MAX_OWNER_BYTES} octets long", "QUOTA")


class _NoRoom(MailError):
    def __init__(self, public: str, code: str) -> None:
        super().__init__(public, code=552, enhanced="5.2.2", imap_code=code)


async def check(text: str) -> None:
    """Raises ScriptError. Large scripts are checked off the loop."""
    if len(text) > CHECK_IN_THREAD_CHARS:
        await asyncio.to_thread(compile_script, text, "user")
    else:
        compile_script(text, "user")


def _code(error: MailError) -> str:
    """The response code (RFC 5804 §1.3)."""
    if isinstance(error, NotFound):
        return "NONEXISTENT"
    if isinstance(error, AlreadyExists):
        return "ALREADYEXISTS"
    if isinstance(error, Temporary):
        return "TRYLATER"
    if error.imap_code == "OVERQUOTA":
        return "QUOTA"
    return error.imap_code if error.imap_code == "ACTIVE" or error.imap_code.startswith("QUOTA") else ""
