"""What a policy may order: start, drain, end or kill a machine. Plain values that a launcher carries out."""

from dataclasses import dataclass

from tasks.skypilot_task import Place

HAD_NONE = "had none"  # why a machine is ended that its place did not have


@dataclass(frozen=True, slots=True)
class Start:
    """Start a machine under this name. `places` in the order to try; empty for this machine."""

    slot: int
    name: str
    group: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Drain:
    """Let this machine finish the shards that it holds, and end."""

    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """Let this machine give its leases back and end at once."""

    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """End a machine that does not react. Its receipts count, its leases are freed."""

    name: str


Order = Start | Drain | End | Kill
