"""What machines of the AWS on this machine are made of: files that they see, the image that they boot from, catalogs."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.clusters import catalogs, machine
from tests.support.clusters.skyhome import CLOUD, registry_exports, system_env, write_csv

SCRIPT = str(Path(machine.__file__))
REGIONS = ("us-east-1", "us-west-2")
AMI = "ami-1e749f67"  # which moto knows; machines boot from our image, whatever it is
IMAGES = ("custom-gpu-ubuntu-cuda13", "custom-cpu-ubuntu", "custom-gpu-ubuntu")  # that SkyPilot looks for
RUNTIME = """import sky
from sky.skylet import constants as c
print(c.UV_INSTALLATION_COMMANDS, c.RAY_INSTALLATION_COMMANDS)
print(c.SKY_UV_PIP_CMD, f"install 'skypilot[aws, remote]=={sky.__version__}'")
"""
PATIENCE = 600.0  # seconds to make the image in, which downloads what SkyPilot's runtime needs


def write_machine_files(folder: Path, ec2: str, store_port: int) -> None:
    """What machines see of the cluster. `ec2`: the address of its API; `store_port`: where its object store listens."""
    seen = folder / "machine"
    if not (seen / "host").exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(seen / "host")], check=True)
    (seen / "sshd_config").write_text(
        f"HostKey {machine.HERE}/host\nAuthorizedKeysFile /etc/embedcluster-keys\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nMaxSessions 200\nAllowUsers {machine.USER}\n"
        "Subsystem sftp internal-sftp\n"
    )
    # SkyPilot fetches uv by curl, and asks it for a Python 3.10: it gets ours.
    shutil.copy(CLOUD / "bin" / "uv", seen / "uv.real")
    (seen / "uv").write_text(
        f"#!/bin/bash\n{registry_exports()}export UV_CACHE_DIR={machine.HERE}/cache\n"
        "export UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never\n"
        "[ -e /etc/embedcluster-keys ] && export UV_OFFLINE=1\n"  # a machine, and not the image in the making
        'args=(); for a in "$@"; do [ "$a" = 3.10 ] && a=/usr/bin/python3; args+=("$a"); done\n'
        f'exec {machine.HERE}/uv.real "${{args[@]}}"\n'
    )
    (seen / "curl").write_text(
        '#!/bin/bash\nfor a in "$@"; do [[ $a == *uv/install.sh ]] && exec echo \\\n'
        f"""  'mkdir -p "$UV_INSTALL_DIR" && ln -sf {machine.HERE}/uv "$UV_INSTALL_DIR/uv"'; done\n"""
        'exec /usr/bin/curl "$@"\n'
    )
    (folder / "enter").write_text(
        f'#!/bin/bash\nexec /usr/bin/python3 -I {Path(machine.__file__)} enter {folder} "$1"\n'
    )
    for path in (seen / "uv", seen / "curl", folder / "enter"):
        path.chmod(0o755)
    libraries = system_env(seen / "worker-env", seen_as=machine.HERE / "libraries")
    facts = {
        "ec2": ec2,
        "store": store_port,
        "libraries": str(libraries),
    }
    (folder / "machine.json").write_text(json.dumps(facts))


def build_image(folder: Path, memory: Path, environment: Mapping[str, str]) -> None:
    """The image that machines boot from, with what SkyPilot's own commands install, as in the images that AWS has of it.

    Raises:
        RuntimeError: Ray is not in it.
    """
    found = subprocess.run(
        [str(CLOUD / "bin" / "python"), "-c", RUNTIME], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    (folder / "machine" / "runtime.sh").write_text(found.stdout)
    with (folder / "log" / "image.out").open("ab") as log:
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "/usr/bin/python3", "-I", SCRIPT, "image", str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE, check=False,
        )  # fmt: skip
    runtime = memory / "image" / "up" / "home" / machine.USER / "skypilot-runtime"
    if done.returncode or not list(runtime.glob("lib/python*/site-packages/ray")):
        raise RuntimeError(f"no image: {(folder / 'log' / 'image.out').read_text()[-3_000:]}")


def write_catalogs(home: Path) -> None:
    """SkyPilot's, from our own snapshot of prices: spot by zone, for each region."""
    catalogs.write(home)
    folder = home / ".sky" / "catalogs" / "v8" / "aws"
    rows = [
        [f"skypilot:{tag}", region, "ubuntu", "22.04", AMI, "2026-01-01", AMI]
        for tag in IMAGES
        for region in REGIONS
    ]
    write_csv(
        folder / "images.csv",
        ["Tag", "Region", "OS", "OSVersion", "ImageId", "CreationDate", "BaseImageId"],
        rows,
    )
    write_csv(
        folder / "instance_quota_mapping.csv",
        ["InstanceType", "OnDemandInstanceCode", "SpotInstanceCode"],
        [["g6.xlarge", "L-DB2E81BA", "L-3819A6DF"]],
    )
