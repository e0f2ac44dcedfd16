"""EC2 of the AWS cluster: moto's server, whose zones may be out of capacity and whose ended instances really end.

    python -m tests.support.clusters.ec2 FOLDER PORT

Zones without capacity are the lines of FOLDER/no-capacity (`ZONE`, or `ZONE spot` where it has some on demand), and the
history of spot prices is FOLDER/spot-prices.json, both read at each request. A machine of ours asks which key may enter
it at /cluster/keys/ADDRESS. Every RunInstances is a line of FOLDER/log/ec2.jsonl.
"""
# moto's server comes without types
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.spot_instances import SpotInstances
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from tests.support.clusters import machine

KEY = re.compile(r"ssh-(?:rsa|ed25519) \S+")
ASK = "/cluster/keys/"


class NoCapacityError(EC2ClientError):  # type: ignore[misc]
    """As AWS words it."""

    code = 500

    def __init__(self, zone: str) -> None:
        super().__init__(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient capacity in the Availability Zone you requested ({zone}).",
        )


def patch(folder: Path) -> None:
    """Teach moto's EC2 what a real one can do as well."""
    run, terminate = InstanceBackend.run_instances, InstanceBackend.terminate_instances

    def run_instances(self: Any, *words: Any, **more: Any) -> Any:
        zone, spot = _zone(self, more), more.get("instance_market_options") == "spot"
        none = _without_capacity(folder)
        refused = zone in none or (spot and f"{zone} spot" in none)
        with (folder / "log" / "ec2.jsonl").open("a") as log:
            said = {"zone": zone, "type": more.get("instance_type"), "spot": spot, "refused": refused}
            log.write(json.dumps(said) + "\n")
        if refused:
            raise NoCapacityError(zone or "?")
        return run(self, *words, **more)

    def terminate_instances(self: Any, instance_ids: list[str]) -> Any:
        addresses = [_addresses(one) for one in self.get_multi_instances_by_id(instance_ids)]
        found = terminate(self, instance_ids)
        for address in (a for some in addresses for a in some):
            if (folder / "memory" / address).exists():
                threading.Thread(target=machine.end, args=(folder, address)).start()
        return found

    def price_history(self: Any) -> Any:
        types, zone = self._get_param("InstanceTypes", []), self._get_param("AvailabilityZone")
        span = (_moment(self._get_param("StartTime")), _moment(self._get_param("EndTime")))
        return ActionResult({"SpotPriceHistory": _prices(folder, self.region, types, zone, span)})

    SpotInstances.describe_spot_price_history = price_history
    InstanceBackend.run_instances = run_instances
    InstanceBackend.terminate_instances = terminate_instances


def _prices(
    folder: Path,
    region: str,
    types: list[str],
    only: str | None,
    span: tuple[datetime | None, datetime | None],
) -> list[dict[str, Any]]:
    """Those of FOLDER/spot-prices.json that were in force in a span, the one before its beginning included."""
    path = folder / "spot-prices.json"
    listed: list[dict[str, str]] = json.loads(path.read_text()) if path.exists() else []
    start, end = span
    found: list[dict[str, Any]] = []
    before: dict[tuple[str, str], dict[str, Any]] = {}
    for one in sorted(listed, key=lambda one: one["at"]):
        at, zone, kind = datetime.fromisoformat(one["at"]), one["zone"], one["type"]
        if not zone.startswith(region) or kind not in types or zone != (only or zone):
            continue
        entry = {
            "InstanceType": kind, "ProductDescription": "Linux/UNIX", "SpotPrice": one["usd"],
            "AvailabilityZone": zone, "Timestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }  # fmt: skip
        if start and at <= start:
            before[zone, kind] = entry
        elif not end or at <= end:
            found.append(entry)
    return [*before.values(), *found]


def _moment(asked: datetime | None) -> datetime | None:
    """moto reads moments as UTC, and does not say so."""
    return asked and asked.replace(tzinfo=UTC)


def _without_capacity(folder: Path) -> set[str]:
    path = folder / "no-capacity"
    return set(path.read_text().splitlines()) if path.exists() else set()


def _zone(backend: Any, asked: dict[str, Any]) -> str | None:
    """Named, or that of the subnet."""
    if asked.get("placement"):
        return str(asked["placement"])
    nics = asked.get("nics") or []
    nics = list(nics.values()) if isinstance(nics, dict) else nics
    subnets = [asked.get("subnet_id"), *(nic.get("SubnetId") for nic in nics)]
    return next((str(backend.get_subnet(s).availability_zone) for s in subnets if s), None)


def _addresses(instance: Any) -> list[str]:
    return [a for a in (instance.public_ip, instance.private_ip) if a]


def instances() -> Iterator[Any]:
    """Of all regions."""
    for regions in ec2_backends.values():
        for backend in regions.values():
            for reservation in backend.reservations.values():
                yield from reservation.instances


def keys(address: str) -> str | None:
    """Who may enter the running instance with this address; None where there is none."""
    for one in instances():
        if one.state == "running" and address in _addresses(one):
            return "\n".join(KEY.findall(one.user_data.decode() if one.user_data else ""))
    return None


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    patch(folder)
    app: Any = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_by_one(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        with lock:
            if not path.startswith(ASK):
                return list(app(environ, start_response))
            found = keys(path.removeprefix(ASK))
        body = (found or "").encode()
        start_response("200 OK" if found else "404 Not Found", [("Content-Length", str(len(body)))])
        return [body]

    run_simple("127.0.0.1", port, one_by_one, threaded=True)


if __name__ == "__main__":
    main()
