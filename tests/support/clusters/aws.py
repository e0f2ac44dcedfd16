"""AWS on this machine: SkyPilot's own AWS provisioner, unchanged, against an EC2 of moto's, with namespaces for machines.

    python -m tests.support.clusters.aws up|down|status FOLDER

Real here: RunInstances of spot and on-demand, zones out of capacity, tags, TerminateInstances, ssh into a machine with
its own root, processes and network, Ray, the job. Tests set the spot prices. Not here: notices of preemption, a GPU.
Needs root, overlayfs, Debian's packages openssh-server, sudo, rsync, iproute2 and curl, moto in `.venv` and SkyPilot in
`.venv-cloud`. Everything is in FOLDER: no user, file or address of this machine is changed.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from launcher.fleet.backends import provider_api
from tests.support.clusters import machine
from tests.support.clusters.aws_machines import (
    AMI,
    REGIONS,
    SCRIPT,
    build_image,
    write_catalogs,
    write_machine_files,
)
from tests.support.clusters.skyhome import (
    CLOUD,
    ROOT,
    Sky,
    free_port,
)

NEEDS = {
    "sshd": "openssh-server",
    "sudo": "sudo",
    "rsync": "rsync",
    "ip": "iproute2",
    "curl": "curl",
    "unshare": "util-linux",
}
BUCKET = "cluster"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "cluster"}  # anything will do
TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "ec2.amazonaws.com"},
}


@dataclass(frozen=True, slots=True)
class Instance:
    """What EC2 says of one."""

    id: str
    region: str
    zone: str
    state: str
    spot: bool
    name: str
    run: str


def missing() -> list[str]:
    """What this machine lacks to run the cluster; empty when it lacks nothing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    found = [
        f"{package} is not installed"
        for command, package in NEEDS.items()
        if not shutil.which(command, path=path)
    ]
    if (
        os.geteuid()
        or subprocess.run(
            ["unshare", *machine.SPACES, "--fork", "true"], check=False, capture_output=True
        ).returncode
    ):
        found.append("root that may make namespaces is needed")
    if not _overlay() and not (shutil.which("modprobe", path=path) and _loaded("overlay")):
        found.append("the kernel has no overlayfs")
    if not (CLOUD / "ready").exists():
        found.append("no .venv-cloud: make cloud")
    if not list((ROOT / ".venv" / "lib").glob("python*/site-packages/moto")):
        found.append("moto is not installed (pip install -r tests/e2e/stores.txt)")
    return found


def _overlay() -> bool:
    return "overlay" in Path("/proc/filesystems").read_text()


def _loaded(module: str) -> bool:
    return not subprocess.run(["modprobe", module], check=False, capture_output=True).returncode


class Aws:
    """EC2, the object store, SkyPilot and the machines. `up` and `down` may be called by different processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.memory = self.folder / "memory"
        self.pids = self.folder / "pids.json"
        facts = self.folder / "ports.json"
        self.ports: dict[str, int] = (
            json.loads(facts.read_text()) if facts.exists() else {"ec2": free_port(), "store": free_port()}
        )
        self.children: list[subprocess.Popen[bytes]] = []
        config = (
            "jobs: {controller: {consolidation_mode: true}}\n"
            f"aws: {{ssh_proxy_command: '{self.folder}/enter %h'}}\n"
        )
        self.sky = Sky(self.folder, config, self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that lead every AWS client here."""
        return KEYS | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['ec2']}",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.ports['store']}",
            "AWS_DEFAULT_REGION": REGIONS[0],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

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
        lacking = missing()
        if lacking:
            raise RuntimeError("; ".join(lacking))
        for name in ("memory", "log", "machine/log", "machine/cache"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "ports.json").write_text(json.dumps(self.ports))
        write_machine_files(self.folder, self.variables["AWS_ENDPOINT_URL"], self.ports["store"])
        subprocess.run(["mount", "-t", "tmpfs", "embedcluster", str(self.memory)], check=True)
        python = str(ROOT / ".venv" / "bin" / "python")
        self._start(
            "ec2", [python, "-m", "tests.support.clusters.ec2", str(self.folder), str(self.ports["ec2"])]
        )
        self._start(
            "store",
            [
                python,
                "-m",
                "tests.support.objectserver",
                "--port",
                str(self.ports["store"]),
                "--bucket",
                BUCKET,
                "--orphan",
            ],
        )
        self._start("door", ["/usr/bin/python3", "-I", SCRIPT, "door", str(self.folder)])
        for name in ("ec2", "store"):
            self._wait_open(name)
        self._network()
        build_image(self.folder, self.memory, self.sky.environment)
        write_catalogs(self.sky.home)
        self.sky.start()
        checked = self.sky.sky("check", "aws")
        if checked.returncode or "AWS: enabled" not in checked.stdout:
            raise RuntimeError(f"sky check aws: {checked.stdout}{checked.stderr}")

    def down(self) -> None:
        """End everything that `up` started, and every machine."""
        self.sky.stop()
        if self.memory.exists():
            for home in self.memory.iterdir():
                machine.end(self.folder, home.name)
        for pid in reversed(json.loads(self.pids.read_text()).values() if self.pids.exists() else []):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        for child in self.children:
            child.wait()
        self.pids.unlink(missing_ok=True)
        end = time.monotonic() + 20  # namespaces let go of it a moment after their last process
        while self.memory.is_mount():
            done = subprocess.run(["umount", str(self.memory)], check=False, capture_output=True, text=True)
            if done.returncode and time.monotonic() > end:
                raise RuntimeError(done.stderr)
            time.sleep(0.2)

    # --- EC2

    def client(self, server: str, region: str) -> dict[str, str]:
        """What a client of boto3's is to be made with."""
        return {
            "region_name": region,
            "endpoint_url": f"http://127.0.0.1:{self.ports[server]}",
            "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
        }

    def ec2(self, region: str) -> Any:
        boto3, _ = provider_api.load_boto3()
        return boto3.client("ec2", **self.client("ec2", region))

    @property
    def s3(self) -> Any:
        """A client of the object store; corpora and vectors are in `BUCKET`."""
        boto3, _ = provider_api.load_boto3()
        return boto3.client("s3", **self.client("store", REGIONS[0]))

    def instances(self, states: Sequence[str] = ("pending", "running")) -> list[Instance]:
        """Of both regions."""
        found: list[Instance] = []
        wanted = [{"Name": "instance-state-name", "Values": list(states)}]
        for region in REGIONS:
            for reservation in self.ec2(region).describe_instances(Filters=wanted)["Reservations"]:
                for one in reservation["Instances"]:
                    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
                    found.append(
                        Instance(
                            one["InstanceId"], region, one["Placement"]["AvailabilityZone"], one["State"]["Name"],
                            one.get("InstanceLifecycle") == "spot", tags.get("Name", ""), tags.get("embedfleet-run", ""),
                        )
                    )  # fmt: skip
        return found

    def terminate(self, one: Instance) -> None:
        """Take a machine away, as preemption does."""
        self.ec2(one.region).terminate_instances(InstanceIds=[one.id])

    def plant(self, region: str, kind: str, tags: dict[str, str]) -> str:
        """Start a machine that no run knows; return its id."""
        answer = self.ec2(region).run_instances(
            ImageId=AMI, InstanceType=kind, MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}],
        )  # fmt: skip
        return str(answer["Instances"][0]["InstanceId"])

    def no_capacity(self, *zones: str) -> None:
        """These refuse from now on, and no others; one with ` spot` behind it refuses spot machines alone."""
        (self.folder / "no-capacity").write_text("\n".join(zones))

    def empty(self, *regions: str, spot: bool = False) -> list[Instance]:
        """Take all machines of these regions away, which refuse from now on, and no others; those that were taken.

        Args:
            spot: spot machines alone are taken and refused.
        """
        zones = [
            zone["ZoneName"]
            for region in regions
            for zone in self.ec2(region).describe_availability_zones()["AvailabilityZones"]
        ]
        self.no_capacity(*(f"{zone} spot" if spot else zone for zone in zones))
        taken = [one for one in self.instances() if one.region in regions and (one.spot or not spot)]
        for one in taken:
            self.terminate(one)
        return taken

    def spot_price(self, kind: str, zone: str, usd: str, at: datetime) -> None:
        """What a machine costs on spot there from this moment on."""
        path = self.folder / "spot-prices.json"
        listed: list[dict[str, str]] = json.loads(path.read_text()) if path.exists() else []
        listed.append({"type": kind, "zone": zone, "usd": usd, "at": at.isoformat()})
        path.write_text(json.dumps(listed))

    def asked(self) -> list[dict[str, Any]]:
        """Every RunInstances so far."""
        path = self.folder / "log" / "ec2.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    # --- what `up` does

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.children.append(child)
        pids: dict[str, int] = json.loads(self.pids.read_text()) if self.pids.exists() else {}
        self.pids.write_text(json.dumps(pids | {name: child.pid}))

    def _wait_open(self, name: str) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.ports[name])):
                    return
            time.sleep(0.1)
        raise RuntimeError(
            f"{name} did not start: {(self.folder / 'log' / f'{name}.out').read_text()[-3_000:]}"
        )

    def _network(self) -> None:
        """What an account has and moto's has not: a way out of the default network, and a role of SkyPilot's.

        SkyPilot makes the role itself where it is missing, of a policy that moto finds malformed.
        """
        for region in REGIONS:
            ec2 = self.ec2(region)
            vpc = ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
            gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
            ec2.create_route(
                RouteTableId=tables[0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
            )
        boto3, _ = provider_api.load_boto3()
        iam = boto3.client("iam", **self.client("ec2", REGIONS[0]))
        iam.create_role(
            RoleName="skypilot-v1",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [TRUST]}),
        )
        iam.create_instance_profile(InstanceProfileName="skypilot-v1")
        iam.add_role_to_instance_profile(InstanceProfileName="skypilot-v1", RoleName="skypilot-v1")


def main() -> None:
    what, cluster = sys.argv[1], Aws(Path(sys.argv[2]))
    match what:
        case "up":
            cluster.up()
        case "down":
            cluster.down()
        case "status":
            for one in cluster.instances(("pending", "running", "stopped", "terminated")):
                print(one)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
