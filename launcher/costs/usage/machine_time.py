"""The inputs of metering: lives of machines, and leases, as values. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class MachineTime:
    """One life of a machine, from its start to its end, as far as it is known.

    A machine that comes back after a preemption has several lives under one name. A worker on a machine has the
    machine's name, or that name with a slot number. None is unknown.
    """

    name: str
    place: str
    gpu: str
    usd_per_hour: Decimal | None  # of the whole machine when the life began
    started: datetime  # start of metering
    ready: datetime | None  # the model is loaded
    ended: datetime | None
    state: str
    stopping: datetime | None = None  # when it was asked to stop
    rates: tuple[tuple[datetime, Decimal], ...] = ()  # later prices per hour, and from when each holds
    number: int = 0  # of its lives, from 0
    workers: int = 1  # on the machine
    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None
    instance_type: str | None = None
    group: int | None = None  # index of its machine group in the plan
    how: str | None = None  # why it ended
    asked: datetime | None = None
    gone: datetime | None = None
    disk_usd_per_hour: Decimal | None = None
    price_followed: bool = False  # its price was read from its cloud's price history, not only at launch


@dataclass(frozen=True, slots=True)
class LeaseTime:
    """A lease as it was held. `ended` is None if its end was not observed."""

    shard: str  # id
    generation: int
    worker: str
    claimed: datetime
    ended: datetime | None
