"""AWS counts quotas of GPU machines in vCPUs, by family of instance types and purchase kind. Pure."""

AWS = "aws"
FAMILIES = ("G", "P", "P5")  # "G and VT", "P" and, on spot only, "P5", as AWS calls them


def family(cloud: str, instance_type: str, *, spot: bool) -> str | None:
    """The family whose quota a machine counts in; None where a cloud does not count so.

    P5 machines have a quota of their own on spot; on demand they count in P.
    """
    if cloud != AWS:
        return None
    if spot and instance_type.startswith("p5"):
        return "P5"
    if instance_type.startswith(("g", "vt")):
        return "G"
    return "P" if instance_type.startswith("p") else None
