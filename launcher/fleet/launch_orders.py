"""Carry out the policy's orders: start, drain, end and kill machines, each written into the ledger before the act.

Every machine has a name that we chose, so a launcher that is killed between two lines starts none twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from launcher.fleet.backends.base import LaunchRequest
from launcher.fleet.policy import Drain, End, Kill, Order, Start
from launcher.fleet.run_context import RunContext
from launcher.ledger.records import LOCAL_SITE, MachineState, Site
from tasks.clock import utc
from tasks.worker.machine_stats import visible_gpus


@dataclass(slots=True)
class LaunchOrders:
    """The orders of one launcher. A machine gets each order once."""

    context: RunContext
    sent: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])  # machine and order

    def carry_out(self, orders: Sequence[Order]) -> None:
        """Start first, then end.

        Raises:
            Problem: a machine could not be started.
        """
        self._start([self._request(o) for o in orders if isinstance(o, Start) and self._intend(o)])
        backend = self.context.backend
        for kind, order, act in (
            (Drain, "drain", backend.drain),
            (End, "end", backend.terminate),
            (Kill, "kill", backend.kill),
        ):
            self._send([o.name for o in orders if isinstance(o, kind)], order, act)

    def ordered_to_end(self, machine: str) -> bool:
        return (machine, "end") in self.sent or (machine, "kill") in self.sent

    def _intend(self, order: Start) -> bool:
        """Write down a machine before it is requested; False: the ledger has it already."""
        context, group = self.context, self.context.group(order.group)
        if not order.places:
            return context.ledger.machines.intend(
                context.run, order.name, order.slot, group.usd_per_hour, utc(),
                place="local", gpu=group.gpu, site=LOCAL_SITE,
            )  # fmt: skip
        first = order.places[0]
        site = Site(
            cloud=first.cloud,
            region=first.region,
            zone=first.zone if first.zone and first.infra.endswith(f"/{first.zone}") else None,
            purchase=group.purchase,
            instance_type=first.instance_type,
            gpus=group.gpus,
            disk_gb=group.disk_gb,
        )
        usd = first.usd_per_hour if first.usd_per_hour is not None else group.usd_per_hour
        return context.ledger.machines.intend(
            context.run, order.name, order.slot, usd, utc(), gpu=group.gpu, lot=group.number, site=site
        )

    def _request(self, order: Start) -> LaunchRequest:
        """Spread the machines over the shards: each begins its walk at a position of its own."""
        groups, group = self.context.groups, self.context.group(order.group)
        before = sum(g.slots * g.workers for g in groups if g.number < order.group)
        total = sum(g.slots * g.workers for g in groups)
        offset = self.context.observer.header.shards * (before + order.slot * group.workers) // total
        gpus = [] if order.places else visible_gpus()
        device = gpus[order.slot % len(gpus)] if gpus else None
        return LaunchRequest(
            name=order.name, offset=offset, device=device, group=order.group, places=order.places
        )

    def _start(self, requests: Sequence[LaunchRequest]) -> None:
        """Start the machines that were intended, and write down each handle or failure."""
        if not requests:
            return
        handles = self.context.backend.start(requests)
        for name, handle in handles.items():
            if isinstance(handle, str):
                self.context.ledger.machines.confirm(name, handle, utc())
            else:
                self.context.ledger.machines.end(name, MachineState.FAILED, utc(), str(handle))
        failed = next((handle for handle in handles.values() if isinstance(handle, Exception)), None)
        if failed is not None:
            raise failed

    def _send(self, names: Sequence[str], order: str, act: Callable[[Sequence[str]], None]) -> None:
        """Send an order to those machines that are up and have not had it yet."""
        fresh = [name for name in names if (name, order) not in self.sent]
        if not fresh:
            return
        up = self.context.ledger.machines.of_run(self.context.run, {MachineState.UP})
        handles = {m.name: m.handle for m in up if m.handle}
        known = [name for name in fresh if name in handles]
        for name in known:
            self.sent.add((name, order))
            self.context.ledger.machines.mark_stopping(name, utc())
        if known:
            act([handles[name] for name in known])
