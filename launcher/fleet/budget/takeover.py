"""Which machines of launchers that are gone may still cost money, asked by the launcher that took a run over.

A life that a record leaves open goes on costing its price until someone who can know says that it ended: the backend,
the provider, or for a worker process its heartbeats, for nothing bills a process. Machines that no record has, of a run
of an older version, count from the first to the last heartbeat of their workers.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import BILLED_TEARDOWN
from launcher.costs.shared_spend import LOCAL, DatedRecord, LifeSpend
from launcher.costs.usage.metering import usd_for
from launcher.fleet.backends.base import Backend
from launcher.fleet.scheduling.states import ENDS
from launcher.money import ZERO
from tasks.protocol import keys
from tasks.protocol.documents import BadDocument
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_of
from tasks.stores.base import Store, list_all, read

SILENCE = timedelta(
    minutes=10
)  # the workers of a machine write every few seconds: after so long none is there
LOCAL_SILENCE = timedelta(
    minutes=1
)  # of a process of a laptop, whose store is near and whose end bills nothing
NO_TIME = timedelta(0)


def ended_lives(
    going: Iterable[LifeSpend],
    records: Sequence[DatedRecord],
    store: Store,
    run: str,
    backend: Backend,
    all_gone: Callable[[], bool],
) -> Iterator[LifeSpend]:
    """The open lives that have ended, with what they cost at most.

    `all_gone`: whether the providers confirm that no machine is there which this launcher does not know.
    """
    last = {life.key: (life, dated.age) for dated in records for life in dated.record.lives}
    gone: bool | None = None
    for life in going:
        recorded, age = last[life.key]
        silent = _silence(store, run, life)
        if not life.rented:
            if silent is None or silent > LOCAL_SILENCE or _said_goodbye(store, run, life):
                yield _closed(recorded, NO_TIME if silent is None else age - silent)
            continue
        status = backend.last_status(life.machine)
        if status is None and (silent is None or silent > SILENCE):
            gone = all_gone() if gone is None else gone
            if gone:
                yield _closed(recorded, age)
        elif status is not None and not status.alive:
            since_end = NO_TIME if status.ended is None else store.now() - status.ended
            yield _closed(recorded, age - since_end + BILLED_TEARDOWN)


def unrecorded_lives(
    store: Store, run: str, known: Collection[str], usd_per_hour: Decimal | None, *, cloud: str
) -> Iterator[LifeSpend]:
    """Machines that have heartbeats and are not among the `known` names, by their first and last sign of life."""
    found: dict[str, list[tuple[Heartbeat, datetime]]] = {}
    for entry in list_all(store, keys.heartbeats_prefix(run)):
        worker = keys.worker_of(entry.key)
        machine = worker if cloud == LOCAL else machine_of(worker) or worker
        one = None if machine in known else _heartbeat(store, entry.key)
        if one is not None:
            found.setdefault(machine, []).append((one, entry.modified))
    now = store.now() if found else None
    for machine, beats in found.items():
        assert now is not None
        first = min(one.started for one, _ in beats)
        last = max(max(one.started, one.stopping or one.at) for one, _ in beats)
        rate = usd_per_hour or ZERO
        yield LifeSpend(
            machine=machine,
            life=f"{beats[0][0].pid}:{machine}" if cloud == LOCAL else "0",
            cloud=cloud,
            usd=usd_for(last - first, rate),
            usd_per_hour=rate,
            started=first,
            ended=now - max(modified for _, modified in beats) > SILENCE,
        )


def _closed(life: LifeSpend, further: timedelta) -> LifeSpend:
    """A life that ended no later than so long after its record was written."""
    return replace(life, usd=life.usd + usd_for(max(NO_TIME, further), life.usd_per_hour), ended=True)


def _silence(store: Store, run: str, life: LifeSpend) -> timedelta | None:
    """How long the workers of a machine have written nothing; None: they never wrote."""
    begin = f"{life.machine}-" if life.rented else f"{life.machine}.json"
    times = [
        entry.modified
        for entry in list_all(store, keys.heartbeats_prefix(run, begin))
        if not life.rented or machine_of(keys.worker_of(entry.key)) == life.machine
    ]
    return store.now() - max(times) if times else None


def _said_goodbye(store: Store, run: str, life: LifeSpend) -> bool:
    """Whether the last heartbeat of a worker process is that of its end. Its name may be that of a later process."""
    found = _heartbeat(store, keys.heartbeat_key(run, life.machine))
    return found is not None and found.state in ENDS and life.life.startswith(f"{found.pid}:")


def _heartbeat(store: Store, key: str) -> Heartbeat | None:
    body = read(store, key)
    try:
        return None if body is None else heartbeat.load(body)
    except BadDocument:
        return None
