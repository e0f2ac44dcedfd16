"""Carry out the policy's orders: start, drain, end and kill machines, each written into the ledger before (write-ahead).

Every machine has a name that we chose, so a launcher that is killed between two lines starts none twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from launcher.fleet.backends.base import LaunchRequest, RequestRefused
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import LOCAL_SITE, MachineState, Site
from launcher.steering.orders import Drain, End, Kill, Order, Start
from tasks.worker.monitoring.machine_stats import visible_gpus


@dataclass(slots=True)
class LaunchOrders:
    """The orders of one launcher. A machine gets each order once."""

    context: RunContext
    steered: bool = (
        False  # a machine that cannot be had like this is one kind among others, and no reason to stop
    )
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

    def send_again(self) -> None:
        """Send the orders that an earlier launcher wrote down, and may not have sent: it was killed, or the act failed.

        Only that a machine is to stop is known: it drains, and one that is not there yet ends.
        """
        context = self.context
        up = context.ledger.machines.of_run(context.run, {MachineState.UP})
        stopping = [m for m in up if m.stopping is not None and m.handle]
        status = {m.name: context.backend.status(m.handle or "") for m in stopping}
        waiting = {name for name, found in status.items() if found and found.phase == Phase.WAITING}
        alive = [name for name, found in status.items() if found and found.alive and name not in waiting]
        self._send(sorted(waiting), "end", context.backend.terminate)
        self._send(alive, "drain", context.backend.drain)

    def ordered_to_end(self, machine: str) -> bool:
        return (machine, "end") in self.sent or (machine, "kill") in self.sent

    def _intend(self, order: Start) -> bool:
        """Write down a machine before it is requested; False: the ledger has it already."""
        context, group = self.context, self.context.group(order.group)
        if not order.places:
            return context.ledger.machines.intend(
                context.run, order.name, order.slot, group.usd_per_hour, context.clock(),
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
            context.run,
            order.name,
            order.slot,
            usd,
            context.clock(),
            gpu=group.gpu,
            lot=group.number,
            site=site,
        )

    def _request(self, order: Start) -> LaunchRequest:
        """Spread the machines over the shards: each begins its walk at a position of its own."""
        groups, group = self.context.groups, self.context.group(order.group)
        before = sum(g.slots * g.workers for g in groups if g.number < order.group)
        total = sum(g.slots * g.workers for g in groups)
        # A slot beyond the plan's, of a group that works for one that was given up, begins somewhere in the middle.
        position = (before + order.slot * group.workers) % total
        offset = self.context.observer.header.shards * position // total
        gpus = [] if order.places else visible_gpus()
        device = gpus[order.slot % len(gpus)] if gpus else None
        return LaunchRequest(
            name=order.name, offset=offset, device=device, group=order.group, places=order.places
        )

    def _start(self, requests: Sequence[LaunchRequest]) -> None:
        """Start the machines that were intended, and write down each handle or failure."""
        if not requests:
            return
        handles, now = self._handles(requests), self.context.clock()
        for name, handle in handles.items():
            if isinstance(handle, str):
                self.context.ledger.machines.confirm(name, handle, now)
            else:
                self.context.ledger.machines.end(name, MachineState.FAILED, now, str(handle))
        failed = [handle for handle in handles.values() if isinstance(handle, Exception)]
        fatal = [problem for problem in failed if not (self.steered and isinstance(problem, RequestRefused))]
        if fatal:
            raise fatal[0]

    def _handles(self, requests: Sequence[LaunchRequest]) -> Mapping[str, str | Exception]:
        """What became of each request. Of a backend that ends at one refused, those behind it are asked again."""
        handles, left = dict[str, str | Exception](), requests
        while left:
            found = self.context.backend.start(left)
            handles |= found
            failed = [one for one in found.values() if isinstance(one, Exception)]
            if not self.steered or not failed or not all(isinstance(one, RequestRefused) for one in failed):
                break
            left = [one for one in left if one.name not in handles]
        return handles

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
            self.context.ledger.machines.mark_stopping(name, self.context.clock())
        if known:
            act([handles[name] for name in known])
