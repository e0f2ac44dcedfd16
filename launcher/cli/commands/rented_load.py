"""`embedfleet load --on`: rent machines that load a run, and what they would cost."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import launcher
import pricing
import tasks
from launcher.cli.console import say, show
from launcher.cli.named_dataset import named_dataset
from launcher.errors import ConfirmationNeeded, Usage
from launcher.fleet.provisioning.provisioner import passed_settings
from launcher.format import money, plural
from launcher.index_sizes.size import Dollars, Hours
from launcher.jobs.job import JobSink
from launcher.loaders.rent import Bill, rent_loaders
from launcher.loaders.task import PREBUILT, LoaderSpec
from launcher.loading.documents import LoadPreview, RentedPreview
from launcher.money import USD_GRAIN, decimal_of_float
from launcher.planning.pilot_machine import PilotMachine, pilot_machine_in
from launcher.reports.terminal.load import rented_text
from launcher.sinks.targets import parse_target
from tasks.stores.base import Store
from tasks.stores.folder import FolderStore

MOST_PARTS = 3  # of --on: cloud, region, zone
SinkOf = Callable[[Namespace, Store, str], JobSink]


def rented_load(arguments: Namespace, sink_of: SinkOf) -> int:
    """Load by rented machines; the store need not be reached from here.

    Raises:
        ConfirmationNeeded: the user does not agree to the cost, or it cannot be held.
        Problem: see `rent_loaders`.
    """
    if arguments.verify:
        raise Usage(
            "--verify compares from this machine", hint="leave --on out: load RUN --verify, afterwards"
        )
    dataset = named_dataset(arguments)
    sink = sink_of(arguments, dataset.store, dataset.run)
    target, machine = parse_target(sink.to), _machine(arguments)
    price = machine.place.usd_per_hour
    _agree(arguments, machine, price)
    secret = sink.secret.removeprefix("$") if sink.secret else None
    names = tuple(arguments.passed)
    spec = LoaderSpec(
        run=dataset.run,
        output=str(Path(dataset.output).absolute())
        if isinstance(dataset.store, FolderStore)
        else dataset.output,
        to=sink.to,
        load=uuid4().hex[:12],
        index=sink.index,
        machine=machine,
        code={one.__name__: str(Path(str(one.__file__)).parent) for one in (launcher, pricing, tasks)},
        since=arguments.since,
        replace=arguments.replace,
        keep=sink.keep,
        parallel=arguments.parallel,
        prebuilt=os.environ.get(PREBUILT),
        settings=passed_settings(os.environ, names),
        secret=secret,
        secrets=names,
    )
    say(f"{target.shown} is loaded by {plural(arguments.loaders, 'rented loader')}")
    found = rent_loaders(spec, arguments.loaders, Bill(arguments.max_cost, price), say)
    show(found, rented_text, as_json=arguments.json)
    return 0


def with_rented(planned: LoadPreview, arguments: Namespace) -> LoadPreview:
    """A preview with the machines that --on names."""
    if arguments.on is None:
        return planned
    machine, loaders = _machine(arguments), arguments.loaders
    hours = None if planned.hours is None else Hours(planned.hours.low / loaders, planned.hours.high)
    price, usd = machine.place.usd_per_hour, None
    if price is not None and hours is not None:
        low, high = (
            (price * loaders * decimal_of_float(end)).quantize(USD_GRAIN) for end in (hours.low, hours.high)
        )
        usd = Dollars(low, high)
    rented = RentedPreview(machines=loaders, machine=str(machine), usd_per_hour=price, hours=hours, usd=usd)
    return replace(planned, rented=rented)


def _machine(arguments: Namespace) -> PilotMachine:
    """The machine of a loader: a small one of the cloud, or of the place that --on names."""
    cloud, *rest = arguments.on.split("/")
    if not cloud or len(rest) >= MOST_PARTS or not all(rest):
        raise Usage(
            f"--on {arguments.on[:60]} names no place",
            hint="such as aws, aws/us-east-1 or slurm/CLUSTER/PARTITION",
        )
    region, zone = [*rest, "", ""][:2]
    place = pilot_machine_in(cloud.lower()).place
    price = place.usd_per_hour if place.usd_per_hour is not None else arguments.usd_per_hour
    return PilotMachine(replace(place, region=region, zone=zone or None, usd_per_hour=price))


def _agree(arguments: Namespace, machine: PilotMachine, price: Decimal | None) -> None:
    """Ask whether to rent, up to --max-cost.

    Raises:
        ConfirmationNeeded: there is no limit, it cannot be held, or the answer is no.
    """
    rent = f"the load rents {plural(arguments.loaders, 'machine')} ({machine}) until the store holds the run"
    if arguments.max_cost is None:
        raise ConfirmationNeeded(
            f"{rent}, and there is no limit", hint="--max-cost $X ends them when they have cost it"
        )
    if price is None:
        raise ConfirmationNeeded(
            f"{rent}: the limit could not be held", hint="--usd-per-hour $X says what one of them costs"
        )
    if arguments.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationNeeded(f"{rent}, and there is no terminal to ask on", hint="--yes")
    sys.stderr.write(f"{rent}, never for more than {money(arguments.max_cost)}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfirmationNeeded("nothing was rented", hint="answer y to go on")
