"""Machines with our label as their provider lists them, past SkyPilot: AWS and GCP.

boto3 and Google's client are imported on use. Nothing here starts a machine; `terminate` ends those that it is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher.errors import Problem
from tasks.skypilot_task import RUN_LABEL

BILLED_STATES = ("pending", "running", "stopping", "stopped")  # a stopped machine still has its disk
SUPPORTED_CLOUDS = ("aws", "gcp")


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine with our label, as its provider lists it."""

    cloud: str
    region: str
    zone: str
    id: str
    name: str
    instance_type: str
    spot: bool
    state: str
    started: datetime | None
    run: str  # by its label

    @property
    def remedy(self) -> str:
        """The command that removes it."""
        if self.cloud == "aws":
            return f"aws ec2 terminate-instances --region {self.region} --instance-ids {self.id}"
        return f"gcloud compute instances delete {self.name} --zone {self.zone}"


def list_instances(cloud: str, regions: Sequence[str], run: str | None = None) -> list[Instance]:
    """List the machines of a run in these regions, by its label; those of every run where `run` is None.

    Raises:
        Problem: the cloud cannot be asked.
    """
    return _aws(regions, run) if cloud == "aws" else _gcp(regions, run)


class NoCredentials(Problem):
    """There are no credentials for a cloud here, and none are needed where nothing is rented from it."""


def list_regions(cloud: str) -> list[str]:
    """List the regions that the account may use; for GCP none, since one call lists all of its regions.

    Raises:
        Problem: the cloud cannot be asked.
    """
    if cloud != "aws":
        return []
    boto3, errors = load_boto3()
    try:
        found = boto3.client("ec2", region_name="us-east-1").describe_regions()["Regions"]
    except errors as error:
        if type(error).__name__ == "NoCredentialsError":
            raise NoCredentials(
                "no credentials for aws here", hint="aws configure, or AWS_PROFILE"
            ) from error
        raise _not_answered("aws", str(error)) from error
    return sorted(region["RegionName"] for region in found)


def terminate(found: Iterable[Instance]) -> None:
    """End machines of AWS; those of GCP are ended through SkyPilot or by their `remedy`.

    Raises:
        Problem: the cloud refused.
    """
    boto3, errors = load_boto3()
    by_region: dict[str, list[str]] = {}
    for one in found:
        if one.cloud == "aws":
            by_region.setdefault(one.region, []).append(one.id)
    for region, ids in by_region.items():
        try:
            boto3.client("ec2", region_name=region).terminate_instances(InstanceIds=ids)
        except errors as error:
            raise Problem(
                f"aws {region} does not end {', '.join(ids)}: {error}", hint="end them in AWS's console"
            ) from error


def _aws(regions: Sequence[str], run: str | None) -> list[Instance]:
    boto3, errors = load_boto3()
    wanted = (
        {"Name": f"tag:{RUN_LABEL}", "Values": [run]} if run else {"Name": "tag-key", "Values": [RUN_LABEL]}
    )
    filters = [wanted, {"Name": "instance-state-name", "Values": list(BILLED_STATES)}]
    found: list[Instance] = []
    for region in regions:
        try:
            pages = boto3.client("ec2", region_name=region).get_paginator("describe_instances")
            for page in pages.paginate(Filters=filters):
                for reservation in page["Reservations"]:
                    found += [_instance(region, one) for one in reservation["Instances"]]
        except errors as error:
            raise _not_answered(f"aws {region}", str(error)) from error
    return found


def _instance(region: str, one: dict[str, Any]) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
    return Instance(
        cloud="aws",
        region=region,
        zone=one["Placement"]["AvailabilityZone"],
        id=one["InstanceId"],
        name=tags.get("Name", ""),
        instance_type=one["InstanceType"],
        spot=one.get("InstanceLifecycle") == "spot",
        state=one["State"]["Name"],
        started=one.get("LaunchTime"),
        run=tags.get(RUN_LABEL, ""),
    )


def _gcp(regions: Sequence[str], run: str | None) -> list[Instance]:
    try:
        import google.auth  # noqa: PLC0415
        import google.auth.transport.requests as transport  # noqa: PLC0415
    except ImportError as error:
        raise Problem(
            f"asking gcp needs google-auth, which is not installed here ({error})",
            hint="pip install 'embedfleet[cloud]'",
        ) from error
    google_auth: Any = google.auth
    requests: Any = transport
    wanted = f"labels.{RUN_LABEL}={run}" if run else f"labels.{RUN_LABEL}:*"
    try:
        credentials, project = google_auth.default(
            scopes=["https://www.googleapis.com/auth/compute.readonly"]
        )
        session = requests.AuthorizedSession(credentials)
        return list_gcp_instances(session, str(project), wanted, regions)
    except google_auth.exceptions.DefaultCredentialsError as error:
        raise NoCredentials(
            f"no credentials for gcp here: {error}", hint="gcloud auth application-default login"
        ) from error
    except (google_auth.exceptions.GoogleAuthError, OSError, ValueError, KeyError) as error:
        raise _not_answered("gcp", str(error)) from error


def list_gcp_instances(
    session: Any, project: str, wanted: str, regions: Sequence[str], base: str = ""
) -> list[Instance]:
    """List the instances of all zones, page after page. `base`: another address than Google's, for tests."""
    url = f"{base or 'https://compute.googleapis.com'}/compute/v1/projects/{project}/aggregated/instances"
    found: list[Instance] = []
    token: str | None = None
    while True:
        more = {"pageToken": token} if token else {}
        answer = session.get(url, params={"filter": wanted} | more, timeout=60)
        answer.raise_for_status()
        body = answer.json()
        for zone, items in body.get("items", {}).items():
            found += [_gcp_instance(zone.removeprefix("zones/"), one) for one in items.get("instances", [])]
        token = body.get("nextPageToken")
        if not token:
            break
    return [one for one in found if one.state != "TERMINATED" and (not regions or one.region in regions)]


def _gcp_instance(zone: str, one: dict[str, Any]) -> Instance:
    labels = one.get("labels", {})
    scheduling = one.get("scheduling", {})
    stamp = one.get("creationTimestamp")
    return Instance(
        cloud="gcp",
        region=zone.rpartition("-")[0],
        zone=zone,
        id=str(one["id"]),
        name=one["name"],
        instance_type=one["machineType"].rpartition("/")[2],
        spot=scheduling.get("provisioningModel") == "SPOT" or bool(scheduling.get("preemptible")),
        state=one["status"],
        started=None if stamp is None else datetime.fromisoformat(stamp),
        run=labels.get(RUN_LABEL, ""),
    )


def load_boto3() -> tuple[Any, tuple[type[Exception], ...]]:
    """Import boto3; return it, and the errors that its calls raise.

    Raises:
        Problem: it is not installed here.
    """
    try:
        import boto3  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - a proxy answered with a page
    except ImportError as error:
        raise Problem(
            f"asking aws needs boto3, which is not installed here ({error})",
            hint="pip install 'embedfleet[cloud]'",
        ) from error
    found: Any = boto3
    return found, (BotoCoreError, ClientError, ResponseParserError)


def _not_answered(where: str, why: str) -> Problem:
    return Problem(
        f"{where} could not be asked: {why}", hint="fix its credentials (embedfleet doctor), then again"
    )
