"""A SkyPilot of its own for a cluster: home, port, configuration, catalogs, and an API server that ends with the cluster.

Nothing here leaves loopback, but for the package registry that SkyPilot installs its runtime from.
"""

import csv
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.paths import ROOT

CLOUD = ROOT / ".venv-cloud"

# GiB of memory by GPU. SkyPilot looks a GPU up here before it asks any cloud, and would else fetch the file.
GPUS = {"T4": 16, "L4": 24, "A10G": 24, "L40S": 48, "A100": 40, "A100-80GB": 80, "H100": 80}

# Its jobs controller asks two public addresses whether the network is there, and waits for ever without them.
# Python imports a module of this name wherever it starts with our folder on its path.
SITE = '''"""Point SkyPilot's question "is there a network?" at its own server. Of the test cluster alone."""

import importlib.abc
import importlib.machinery
import os
import sys


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "sky.backends.backend_utils":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            module._TEST_IP_LIST = [os.environ["CLUSTER_HEALTH"]]

        spec.loader.exec_module = exec_module
        return spec


if "CLUSTER_HEALTH" in os.environ:
    sys.meta_path.insert(0, Finder())
'''


def free_port() -> int:
    """A free port, below those that outgoing connections get."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Sky:
    """The client's and the server's side of one SkyPilot, under `folder`."""

    def __init__(self, folder: Path, config: str, extra: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.config = config
        self.extra = extra or {}
        facts = folder / "sky.json"
        self.port: int = json.loads(facts.read_text())["port"] if facts.exists() else free_port()

    @property
    def environment(self) -> dict[str, str]:
        """Of every process that speaks with this SkyPilot."""
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")}
        return kept | {
            "HOME": str(self.home),
            "PATH": f"{CLOUD / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "site"),
            "CLUSTER_HEALTH": f"http://127.0.0.1:{self.port}/api/health",
            "SKYPILOT_API_SERVER_LOCAL_PORT": str(self.port),
            "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
            # Without these it sizes itself for the whole machine: 37 processes and 3.5 GB on 24 GiB.
            "SKYPILOT_POD_MEMORY_GB_LIMIT": "10",
            "SKYPILOT_POD_CPU_CORE_LIMIT": "2",
            "AWS_EC2_METADATA_DISABLED": "true",
        } | self.extra  # fmt: skip

    def sky(self, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(CLOUD / "bin" / "sky"), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def prepare(self) -> None:
        """Everything on disk."""
        (self.home / ".sky").mkdir(parents=True, exist_ok=True)
        (self.folder / "site").mkdir(exist_ok=True)
        (self.folder / "site" / "sitecustomize.py").write_text(SITE)
        (self.home / ".sky" / "config.yaml").write_text(self.config)
        common = self.home / ".sky" / "catalogs" / "v8" / "common"
        write_csv(
            common / "accelerators.csv", ["AcceleratorName", "Clouds"], [[g, "['AWS', 'GCP']"] for g in GPUS]
        )
        rows = [[gpu, gib, "nvidia"] for gpu, gib in GPUS.items()]
        write_csv(common / "metadata.csv", ["GPU", "MemoryGB", "Manufacturer"], rows)
        (self.folder / "sky.json").write_text(json.dumps({"port": self.port}))

    def start(self) -> None:
        """Start the API server, which stays when this process ends."""
        self.prepare()
        done = self.sky("api", "start")
        if done.returncode:
            log = self.home / ".sky" / "api_server" / "server.log"
            end = log.read_text(errors="replace")[-3_000:] if log.exists() else ""
            raise RuntimeError(f"sky api start: {done.stdout}{done.stderr}{end}")

    def stop(self) -> None:
        """End the API server with its controllers."""
        if shutil.which("sky", path=str(CLOUD / "bin")) and (self.folder / "sky.json").exists():
            self.sky("api", "stop")
            self._wait_closed()

    def _wait_closed(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.2)


def system_env(env: Path, seen_as: Path | None = None, of: Path = ROOT / ".venv") -> Path:
    """Make an environment with this checkout's libraries, for machines of a cluster; where those libraries are.

    It is the system's Python looking into the environment `of`, which a machine's user may read but not run. `seen_as`:
    where the machines see the libraries.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = of / "lib" / version / "site-packages"
    found = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    if found != version:
        raise RuntimeError(f"the system's Python is {found}, that of .venv is {version}")
    subprocess.run(
        [str(CLOUD / "bin" / "uv"), "venv", "-q", "--clear", "--python", "/usr/bin/python3", str(env)],
        check=True,
    )
    (env / "lib" / version / "site-packages" / "checkout.pth").write_text(f"{seen_as or libraries}\n")
    return libraries


def registry_exports() -> str:
    """Lines of shell that lead a machine's uv to the package registry as ours is led."""
    passed = {k: v for k, v in os.environ.items() if k.startswith(("UV_", "SSL_CERT"))}
    return "".join(f"export {name}='{value}'\n" for name, value in passed.items())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
