"""File systems for a node's data folder: a block device, a network file system that two machines mount, and ones that lie.

All are real: the kernel's loop device with ext4, GlusterFS's server and mounts, overlayfs. Root only.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_SERVER = """
volume posix
  type storage/posix
  option directory {brick}
end-volume
{locks}volume server
  type protocol/server
  option transport-type tcp
  option transport.socket.bind-address 127.0.0.1
  option transport.socket.listen-port {port}
  option auth.addr.{top}.allow 127.0.0.1
  subvolumes {top}
end-volume
"""
_LOCKS = """
volume locks
  type features/locks
  subvolumes posix
end-volume
"""
_CLIENT = """
volume remote
  type protocol/client
  option transport-type tcp
  option remote-host 127.0.0.1
  option remote-port {port}
  option remote-subvolume {top}
end-volume
"""


@contextlib.contextmanager
def mounted(where: Path, *words: str) -> Iterator[Path]:
    """What ``mount`` makes of these words, at ``where``."""
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *words, str(where)], check=True, capture_output=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextlib.contextmanager
def block_device(folder: Path, *options: str) -> Iterator[Path]:
    """ext4 on a block device of 256 MiB, as a SAN would give one."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, stdin=subprocess.DEVNULL)
    with mounted(folder / "device", "-o", ",".join(("loop", *options)), str(image)) as where:
        yield where


@contextlib.contextmanager
def volatile(folder: Path) -> Iterator[Path]:
    """An overlay that never syncs anything."""
    for name in ("lower", "upper", "work"):
        (folder / name).mkdir()
    layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work,volatile"
    with mounted(folder / "overlay", "-t", "overlay", "overlay", "-o", layers) as where:
        yield where


class NasMount:
    """One machine's mount of a file server."""

    def __init__(self, where: Path, client: Path, options: tuple[str, ...]) -> None:
        self.where = where
        log = where.with_suffix(".log")
        self._command = ("glusterfs", "-N", "-f", str(client), "-l", str(log), *options, str(where))
        self._process: subprocess.Popen[bytes]

    def mount(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _until_mounted(self.where)

    def crash(self) -> None:
        """As when the machine dies: what it had not handed to the server yet is lost, and whoever waits for an answer waits no
        more. (GlusterFS's client may also stop to answer for good when processes that wait for it are killed.)"""
        self._process.kill()
        self._process.wait(60)
        subprocess.run(["umount", "--lazy", str(self.where)], check=True)


@contextlib.contextmanager
def nas(folder: Path, *mounts: str, locks: bool = True, options: tuple[str, ...] = ()) -> Iterator[list[NasMount]]:
    """A file server and its mounts, each as another machine would have it; without ``locks`` the server has none."""
    for name in ("brick", *mounts):
        (folder / name).mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    top = "locks" if locks else "posix"
    server, client = folder / "server.vol", folder / "client.vol"
    server.write_text(_SERVER.format(brick=folder / "brick", port=port, top=top, locks=_LOCKS if locks else ""))
    client.write_text(_CLIENT.format(port=port, top=top))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_daemon("glusterfsd", "-N", "-f", str(server), "-l", str(folder / "server.log")))
        _reachable(port)
        machines = [NasMount(folder / name, client, options) for name in mounts]
        for machine in machines:
            machine.mount()
            stack.callback(machine.crash)
        yield machines


@contextlib.contextmanager
def _daemon(*words: str) -> Iterator[None]:
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


def _reachable(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30):
            return
        time.sleep(0.05)
    raise AssertionError("the file server did not start")


def _until_mounted(where: Path) -> None:
    for _ in range(600):
        if f" {where} " in Path("/proc/mounts").read_text():
            where.stat()
            return
        time.sleep(0.05)
    raise AssertionError(f"{where} was not mounted")
