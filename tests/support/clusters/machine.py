"""A machine of the AWS cluster: namespaces of its own over this machine's files, reached as a cloud's is, by ssh.

    machine.py enter FOLDER ADDRESS     what ssh runs as its proxy: boot the machine if it is new, and speak for its sshd
    machine.py init FOLDER ADDRESS      the machine's first process
    machine.py image FOLDER             what all machines boot from, with SkyPilot's runtime in it, as AWS's images have
    machine.py door FOLDER              the way from machines to the object store, on this side

All writing of a machine goes to an overlay in memory. It has no network but its own loopback, and one door: the port
of the object store there is a socket file here. It sees the cluster's folder `machine` as /opt/embedcluster and nothing
of what runs outside. Run by the system's Python, as root: needs only the standard library.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

USER, UID = "ubuntu", 7070  # who SkyPilot logs in as; of the image alone
HERE = Path("/opt/embedcluster")  # the cluster's folder, as a machine sees it
PATIENCE = 30.0  # seconds for a machine to boot
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SPACES = ("--mount", "--uts", "--net", "--ipc", "--pid")


def main() -> None:
    what, folder, *more = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    match what:
        case "enter":
            enter(folder, more[0])
        case "init":
            init(folder, more[0])
        case "image":
            image(folder)
        case "door":
            asyncio.run(door(folder))
        case _:
            sys.exit(__doc__)


def facts(folder: Path) -> dict[str, Any]:
    """What the cluster wrote down for us: the address of EC2, the port of the object store."""
    found: dict[str, Any] = json.loads((folder / "machine.json").read_text())
    return found


# --- outside


def enter(folder: Path, address: str) -> None:
    """Refuse what EC2 does not run; else become this machine's sshd, which speaks on our stdio."""
    try:
        with urllib.request.urlopen(f"{facts(folder)['ec2']}/cluster/keys/{address}", timeout=20) as answer:
            keys = answer.read().decode()
    except urllib.error.HTTPError as error:
        sys.exit(f"no route to {address}: EC2 says {error.code} of it")
    home = folder / "memory" / address
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            (home / "keys").write_text(f"{keys}\n")  # sshd passes over a last line that is not ended
            boot(folder, address)
    pid = (home / "pid").read_text()
    log = f"{HERE}/log/sshd-{address}.log"
    os.execvp(
        "nsenter",
        ["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "/usr/sbin/sshd", "-i",
         "-f", f"{HERE}/sshd_config", "-E", log],
    )  # fmt: skip


def boot(folder: Path, address: str) -> None:
    """Start the machine's first process and wait until the machine is there."""
    home = folder / "memory" / address
    with (folder / "log" / f"boot-{address}.log").open("ab") as log:
        parent = subprocess.Popen(
            ["unshare", "--fork", *SPACES, "/usr/bin/python3", "-I", __file__, "init", str(folder), address],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while not (home / "ready").exists():
        if parent.poll() is not None or time.monotonic() > end:
            sys.exit(f"{address} did not boot: {(folder / 'log' / f'boot-{address}.log').read_text()}")
        time.sleep(0.05)


def end(folder: Path, address: str) -> None:
    """The machine is gone at once, with all it ran; what it wrote is forgotten."""
    home = folder / "memory" / address
    with suppress(OSError, ValueError):
        pid = int((home / "pid").read_text())
        if address.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGKILL)
    for _ in range(50):  # its overlay holds the folder until its last process is gone
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            return
        time.sleep(0.1)


# --- inside


def init(folder: Path, address: str) -> None:
    """Make this process's namespaces into a machine, and stay its first process."""
    home, name = folder / "memory" / address, f"ip-{address.replace('.', '-')}"
    root = mount(folder, home, [folder / "memory" / "image" / "up"])
    do("mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", f"{root}/tmp")
    do("mount", "-t", "tmpfs", "-o", "mode=1777", "shm", f"{root}/dev/shm")
    do("hostname", name)
    do("ip", "link", "set", "lo", "up")
    do("ip", "address", "add", f"{address}/32", "dev", "lo")
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")
    (root / "etc" / "embedcluster-keys").write_text((home / "keys").read_text())
    found = facts(folder)
    (home / "pid").write_text(str(own_pid()))
    ready = os.open(home, os.O_RDONLY)
    os.chroot(root)
    os.chdir("/")
    asyncio.run(serve(int(found["store"]), ready))


def own_pid() -> int:
    """Our pid outside of our namespace: the outer /proc is still mounted there."""
    return int(Path("/proc/self").readlink().name)


async def serve(port: int, home: int) -> None:
    """Serve the machine's end of the door. The first process also reaps orphans."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, reap)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)

    async def out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await both(reader, writer, *await asyncio.open_unix_connection(HERE / "door"))

    server = await asyncio.start_server(out, "127.0.0.1", port)
    os.close(os.open("ready", os.O_CREAT | os.O_WRONLY, dir_fd=home))
    os.close(home)
    await server.serve_forever()


def reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


# --- the door


async def door(folder: Path) -> None:
    port = int(facts(folder)["store"])

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await both(reader, writer, *await asyncio.open_connection("127.0.0.1", port))

    path = folder / "machine" / "door"
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(through, path)
    path.chmod(0o666)
    await server.serve_forever()


async def both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far: asyncio.StreamReader,
    away: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until both sides are done."""
    await asyncio.gather(carry(reader, away), carry(far, writer))
    for one in (writer, away):
        one.close()


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(2**16):
            target.write(chunk)
            await target.drain()
        target.write_eof()


# --- what machines boot from


def image(folder: Path) -> None:
    """In a mount namespace of its own: this machine's files, a user, uv, and the runtime that SkyPilot would install."""
    home = folder / "memory" / "image"
    root = mount(folder, home, [])
    (root / "run" / "sshd").mkdir(parents=True, exist_ok=True)
    curl = root / "usr" / "local" / "bin" / "curl"
    curl.write_text((folder / "machine" / "curl").read_text())
    curl.chmod(0o755)
    (root / "etc" / "sudoers.d" / "embedcluster").write_text(f"{USER} ALL=(ALL) NOPASSWD:ALL\n")
    os.chroot(root)
    os.chdir("/")
    do("useradd", "-m", "-u", str(UID), "-s", "/bin/bash", USER)
    do("usermod", "-p", "*", USER)  # a locked password (`!`) is refused without PAM
    Path(f"/home/{USER}/.profile").write_text(
        '[ -f ~/.bashrc ] && . ~/.bashrc\nPATH="$HOME/.local/bin:$PATH"\n'
    )
    do("chown", "-R", f"{USER}:", str(HERE / "cache"), f"/home/{USER}")
    do("su", "-", USER, "-c", f"bash {HERE}/runtime.sh")


def mount(folder: Path, home: Path, layers: list[Path]) -> Path:
    """An overlay of all these over the root of this machine, with what no file holds."""
    for name in ("up", "work", "root"):
        (home / name).mkdir(parents=True, exist_ok=True)
    root = home / "root"
    lower = ":".join(str(layer) for layer in (*layers, Path("/")))
    do("mount", "--make-rprivate", "/")
    do(
        "mount",
        "-t",
        "overlay",
        "-o",
        f"lowerdir={lower},upperdir={home}/up,workdir={home}/work",
        "overlay",
        str(root),
    )
    for name in ("dev", "dev/pts", "sys"):
        do("mount", "--bind", f"/{name}", f"{root}/{name}")
    do("mount", "-t", "proc", "proc", f"{root}/proc")
    here = root / HERE.relative_to("/")
    here.mkdir(parents=True, exist_ok=True)
    do("mount", "--bind", str(folder / "machine"), str(here))
    libraries = facts(folder)["libraries"]
    (here / "libraries").mkdir(exist_ok=True)
    do("mount", "--bind", "-o", "ro", libraries, str(here / "libraries"))
    return root


def do(*words: str) -> None:
    """A command that must work."""
    done = subprocess.run(
        words,
        env=os.environ | {"PATH": PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}")


if __name__ == "__main__":
    main()
