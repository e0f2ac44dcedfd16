"""The few alternatives of a plan that truly differ from its choice and from each other. Pure."""

from collections.abc import Iterator, Sequence

from launcher.planning.saved.saved_alternatives import AlternativeFleet, GroupSummary
from launcher.planning.saved.saved_plan import MachineGroup, SavedPlan

Trait = tuple[str, object]


def different_alternatives(plan: SavedPlan, count: int) -> tuple[AlternativeFleet, ...]:
    """At most `count` alternatives that differ in GPUs, clouds or purchase kind, in the order of the plan.

    Those that show something new (a GPU, a cloud, a purchase kind, or this machine) go first; of two fleets of the same
    machines the first is taken.
    """
    seen = {_signature(plan.lots)}
    others: list[AlternativeFleet] = []
    for one in plan.alternatives:
        signature = _signature(one.lots)
        if signature not in seen:
            seen.add(signature)
            others.append(one)
    chosen: list[AlternativeFleet] = [one for one in others if _is_here(one.lots)][:1]
    shown = {trait for fleet in (plan.lots, *(one.lots for one in chosen)) for trait in _traits(fleet)}
    rest = [one for one in others if one not in chosen]
    while rest and len(chosen) < count:
        best = max(rest, key=lambda one: len(set(_traits(one.lots)) - shown))  # the first of equals
        rest.remove(best)
        chosen.append(best)
        shown |= set(_traits(best.lots))
    return tuple(one for one in others if one in chosen)  # whose signatures are all different


def _signature(groups: Sequence[MachineGroup | GroupSummary]) -> frozenset[tuple[str, str, bool]]:
    return frozenset((group.gpu, group.cloud, group.spot) for group in groups)


def _traits(groups: Sequence[MachineGroup | GroupSummary]) -> Iterator[Trait]:
    for group in groups:
        yield "gpu", group.gpu
        yield "cloud", group.cloud
        yield "spot", group.spot


def _is_here(groups: Sequence[MachineGroup | GroupSummary]) -> bool:
    return all(group.cloud == "local" for group in groups)
