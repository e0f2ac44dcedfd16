"""A real Slurm cluster on this machine, with pretended GPUs, and a real SkyPilot that rents from it.

    python -m tests.support.clusters.slurm up|down|status FOLDER

Two nodes, `l4` and `h100`, of eight GPUs each that are empty files. Two partitions are two ways to buy: `spot`, whose
jobs may be preempted, and `ondemand`, which costs more. Two names of the one login node are two regions: `east` and
`west`. Needs root and Debian's packages slurm-wlm, openssh-server, rsync, netcat-openbsd and curl. Everything is in
FOLDER, but for one user and one line of /etc/hosts, which `down` removes again.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.clusters.skyhome import CLOUD, Sky, free_port, registry_exports, system_env

USER = "embedcluster"
MARK = "# embedfleet test cluster"
NEEDS = {
    "slurmctld": "slurm-wlm",
    "sshd": "openssh-server",
    "rsync": "rsync",
    "nc": "netcat-openbsd",
    "curl": "curl",
}
GPUS = 8  # of each node
PRICES = {  # dollars an hour of a GPU, all in: by region and partition, then GPU
    ("east", "spot"): {"L4": 0.40, "H100": 2.50},
    ("east", "ondemand"): {"L4": 0.80, "H100": 6.00},
    ("west", "spot"): {"L4": 0.55, "H100": 3.50},
    ("west", "ondemand"): {"L4": 1.00, "H100": 7.00},
}


@dataclass(frozen=True, slots=True)
class Allocation:
    """A Slurm job: what a machine is here."""

    id: str
    name: str
    partition: str
    state: str
    node: str


class Slurm:
    """The cluster and its SkyPilot. `up` and `down` may be called by different processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.conf = self.folder / "etc" / "slurm.conf"
        self.pids = self.folder / "pids.json"
        self.shared = self.folder / "shared"  # what all machines see: clusters' homes, corpora, vectors
        self.user_home = self.folder / "user"
        self.children: list[subprocess.Popen[bytes]] = []  # that this process started
        self.sky = Sky(self.folder, self._sky_config())

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_error: object) -> None:
        self.down()

    def up(self) -> None:
        """Start everything.

        Raises:
            RuntimeError: something needed is missing, or did not start.
        """
        missing = [package for command, package in NEEDS.items() if not self._has(command)]
        if missing or os.geteuid():
            raise RuntimeError(
                f"needs root and: apt-get install -y --no-install-recommends {' '.join(missing)}"
            )
        for name in ("etc", "state", "log", "run", "dev", "ssh", "shim", "shared", "spool/l4", "spool/h100"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        Path("/run/sshd").mkdir(exist_ok=True)
        self._user()
        hosts = Path("/etc/hosts")
        if MARK not in hosts.read_text():
            hosts.write_text(f"{hosts.read_text().rstrip()}\n127.0.0.1 l4 h100 {MARK}\n")
        for node in ("l4", "h100"):
            for number in range(GPUS):
                (self.folder / "dev" / f"{node}-{number}").touch()
        ports = [free_port() for _ in range(4)]
        self.conf.write_text(self._slurm_conf(*ports[:3]))
        (self.folder / "etc" / "gres.conf").write_text(
            "AutoDetect=off\n"
            + "".join(
                f"NodeName={n} Name=gpu Type={n} File={self.folder}/dev/{n}-[0-{GPUS - 1}]\n"
                for n in ("l4", "h100")
            )
        )
        self._ssh(ports[3])
        self._shims()
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        time.sleep(1)
        for node in ("l4", "h100"):
            self._start(f"slurmd.{node}", ["slurmd", "-D", "-f", str(self.conf), "-N", node])
        self._start("sshd", ["/usr/sbin/sshd", "-D", "-f", str(self.folder / "ssh" / "sshd_config")])
        self._wait_idle()
        self.sky.start()

    def down(self) -> None:
        """End everything that `up` started."""
        self.sky.stop()
        for allocation in self.allocations():
            self.cancel(allocation.id)
        end = time.monotonic() + 20  # a slurmd that is ended before its jobs leaves them behind
        while self.allocations() and time.monotonic() < end:
            time.sleep(0.3)
        for pid in reversed(json.loads(self.pids.read_text()).values() if self.pids.exists() else []):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
        time.sleep(1)
        for child in self.children:  # slurmd may wait for a job's last process
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self.pids.unlink(missing_ok=True)
        for pid in (*self._user_processes(), *self._strays()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        hosts = Path("/etc/hosts")
        lines = [line for line in hosts.read_text().splitlines() if MARK not in line]
        hosts.write_text("\n".join(lines) + "\n")
        time.sleep(0.5)
        subprocess.run(["userdel", USER], capture_output=True, check=False)

    def slurm(self, *words: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(
            words,
            env=os.environ | {"SLURM_CONF": str(self.conf)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def allocations(self) -> list[Allocation]:
        """The machines that run, or wait to."""
        lines = self.slurm("squeue", "-h", "-o", "%i|%j|%P|%T|%N").splitlines()
        return [Allocation(*line.split("|")) for line in lines]

    def cancel(self, id: str) -> None:  # noqa: A002 - Slurm's word
        """Take a machine away, as preemption does."""
        self.slurm("scancel", id)

    @contextmanager
    def emptied(self, partition: str) -> Generator[None, None, None]:
        """Take all machines of a partition away, and give none there meanwhile: what is asked for waits."""
        self.slurm("scontrol", "update", f"PartitionName={partition}", "State=DOWN")
        for allocation in self.allocations():
            if allocation.partition == partition:
                self.cancel(allocation.id)
        try:
            yield
        finally:
            self.slurm("scontrol", "update", f"PartitionName={partition}", "State=UP")

    def worker_env(self) -> Path:
        """An environment with this checkout's libraries, which the machines' user may run."""
        env = self.folder / "worker-env"
        system_env(env)
        return env

    def pilot_env(self) -> Path:
        """The same with what rents machines, for a launcher on a machine of the cluster."""
        env = self.folder / "pilot-env"
        system_env(env, of=CLOUD)
        return env

    def _has(self, command: str) -> bool:
        return shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None

    def _user(self) -> None:
        """Make the user that logs in, with our commands first in its PATH. sshd refuses a locked password (`!`)."""
        try:
            pwd.getpwnam(USER)
            subprocess.run(["usermod", "-d", str(self.user_home), USER], check=True, capture_output=True)
        except KeyError:
            subprocess.run(["useradd", "-M", "-d", str(self.user_home), "-s", "/bin/bash", USER], check=True)
        subprocess.run(["usermod", "-p", "*", USER], check=True)
        self.user_home.mkdir(exist_ok=True)
        (self.user_home / ".profile").write_text('PATH="$HOME/bin:$PATH"\n')
        for path in (self.user_home, self.shared):
            shutil.chown(path, USER, USER)

    def _user_processes(self) -> list[int]:
        """The processes of that user, whose name is only used here."""
        try:
            uid = pwd.getpwnam(USER).pw_uid
        except KeyError:
            return []
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if path.stat().st_uid == uid:
                    found.append(int(path.name))
        return found

    def _strays(self) -> list[int]:
        """What slurmd started and left behind, by the configuration that it was given."""
        mark = f"SLURM_CONF={self.conf}".encode()
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int(path.name) != os.getpid() and mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
        return found

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            child = subprocess.Popen(
                command,
                env=os.environ | {"SLURM_CONF": str(self.conf)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.children.append(child)
        pids: dict[str, int] = json.loads(self.pids.read_text()) if self.pids.exists() else {}
        self.pids.write_text(json.dumps(pids | {name: child.pid}))

    def _wait_idle(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.slurm("sinfo", "-h", "-N", "-o", "%t").split() == ["idle"] * 4:
                return
            time.sleep(0.3)
        raise RuntimeError(f"Slurm's nodes did not come up: {self.slurm('sinfo', '-N')}")

    def _slurm_conf(self, controller: int, l4: int, h100: int) -> str:
        host = socket.gethostname().partition(".")[0]
        nodes = "".join(
            f"NodeName={n} NodeHostname={host} NodeAddr=127.0.0.1 Port={p} CPUs=64 RealMemory=262144 "
            f"Gres=gpu:{n}:{GPUS} State=UNKNOWN\n"
            for n, p in (("l4", l4), ("h100", h100))
        )
        return f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller}
SlurmctldPidFile={self.folder}/run/slurmctld.pid
SlurmdPidFile={self.folder}/run/slurmd.%n.pid
SlurmdSpoolDir={self.folder}/spool/%n
StateSaveLocation={self.folder}/state
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
KillWait=5
MinJobAge=300
GresTypes=gpu
{nodes}PartitionName=spot Nodes=l4,h100 Default=YES MaxTime=1-00:00:00 State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=ondemand Nodes=l4,h100 MaxTime=1-00:00:00 State=UP PriorityTier=10 PreemptMode=OFF
"""

    def _ssh(self, port: int) -> None:
        """The login node: sshd on loopback, and two names of it for SkyPilot."""
        host, key = self.folder / "ssh" / "host", self.sky.home / ".slurm" / "id"
        key.parent.mkdir(parents=True, exist_ok=True)
        for path in (host, key):
            if not path.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        folder = self.user_home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(f"{key}.pub", folder / "authorized_keys")
        for path in (folder, folder / "authorized_keys"):
            shutil.chown(path, USER, USER)
        (self.folder / "ssh" / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile {self.folder}/run/sshd.pid\n"
            "AuthorizedKeysFile .ssh/authorized_keys\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"UsePAM no\nStrictModes no\nMaxSessions 200\nMaxStartups 150:30:200\nAllowUsers {USER}\n"
            f"SetEnv SLURM_CONF={self.conf}\nSubsystem sftp internal-sftp\n"
        )
        (key.parent / "config").write_text(
            "".join(
                f"Host {region}\n    HostName 127.0.0.1\n    Port {port}\n    User {USER}\n"
                f"    IdentityFile {key}\n    IdentitiesOnly yes\n"
                for region in ("east", "west")
            )
        )

    def _shims(self) -> None:
        """SkyPilot fetches uv by curl, and asks it for a Python 3.10, on every allocation: it gets ours."""
        shim, home = self.folder / "shim", self.user_home / "bin"
        (shim / "uv").write_text(
            f'#!/bin/bash\n{registry_exports()}export UV_LINK_MODE=hardlink UV_CACHE_DIR="$HOME/.cache/uv"\n'
            f"[ -e {self.folder}/warm ] && export UV_OFFLINE=1\n"
            'args=(); for a in "$@"; do [ "$a" = 3.10 ] && a=/usr/bin/python3; args+=("$a"); done\n'
            f'exec {CLOUD}/bin/uv "${{args[@]}}"\n'
        )
        (shim / "install-uv.sh").write_text(
            f'mkdir -p "$UV_INSTALL_DIR" && ln -sf {shim}/uv "$UV_INSTALL_DIR/uv"\n'
        )
        home.mkdir(exist_ok=True)
        (home / "curl").write_text(
            '#!/bin/bash\nfor a in "$@"; do\n'
            f'  [ "${{a##*/}}" = install.sh ] && [[ $a == *uv/install.sh ]] && exec cat {shim}/install-uv.sh\n'
            'done\nexec /usr/bin/curl "$@"\n'
        )
        for path in (shim / "uv", home / "curl"):
            path.chmod(0o755)
        shutil.chown(home, USER, USER)

    def _sky_config(self) -> str:
        def prices(region: str, partition: str) -> str:
            return "{" + ", ".join(f"{gpu}: {usd}" for gpu, usd in PRICES[region, partition].items()) + "}"

        regions = "".join(
            f"    {region}:\n      workdir: {self.shared}\n"
            f"      pricing: {{accelerators: {prices(region, 'spot')}}}\n"
            f"      partition_configs: {{ondemand: {{pricing: {{accelerators: {prices(region, 'ondemand')}}}}}}}\n"
            for region in ("east", "west")
        )
        return (
            "jobs: {controller: {consolidation_mode: true}}\n"  # no machine of its own for the jobs controller
            "slurm:\n  provision_timeout: 20\n  pricing: {cpu: 0.02, memory: 0.003}\n"
            f"  cluster_configs:\n{regions}"
        )


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    cluster = Slurm(folder)
    match what:
        case "up":
            cluster.up()
            print(cluster.slurm("sinfo", "-N", "-o", "%N %P %t %G"))
        case "down":
            cluster.down()
        case "status":
            print(cluster.slurm("sinfo", "-N", "-o", "%N %P %t %G"))
            print(cluster.slurm("squeue"))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
