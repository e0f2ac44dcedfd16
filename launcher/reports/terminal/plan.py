"""The plan on one terminal screen."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.corpus.left_out import left_out_text
from launcher.format import compact, count, hours_text, money, plain, rate, size
from launcher.planning.saved_plan import CheaperOption, GroupSummary, MachineGroup, SavedPlan, SingleTypeFleet

REGION_LETTERS = 18
MODEL_LETTERS = 40
SHOWN_FLEETS = 6  # alternatives, points of the frontier and machine types; --json and --html have all
SHOWN_APIS = 4
SHOWN_QUOTAS = 4
SHOWN_SOURCES = 3  # of speeds


def plan_text(plan: SavedPlan) -> RenderableType:
    """The plan on one screen: the work, the chosen fleet, its alternatives, and what is not known."""
    lines: list[RenderableType] = [*_cheaper(plan), *_work(plan), _groups(plan), *_totals(plan)]
    if plan.alternatives:
        lines += [Text(), _alternatives(plan)]
    if len(plan.frontier) > 1:
        lines += [Text(), _frontier(plan)]
    if plan.kinds:
        lines += [Text(), _types(plan)]
    if plan.hosted:
        lines += [Text(), _hosted(plan)]
    lines += [Text(), *_footnotes(plan)]
    return Group(*lines)


def _cheaper(plan: SavedPlan) -> list[RenderableType]:
    """What costs less than any fleet. It is shown first."""
    found = plan.cheaper
    if not found:
        return []
    other = "" if found.comparable else " (another model: other vectors, other quality)"
    usd = money(found.fleet_usd_without_storage)
    storage = ", storage apart" if plan.totals.items["storage"] else ""
    text = (
        f"CHEAPER: {plain(found.name)} does it for {money(found.usd)}, "
        f"this fleet for {usd}{storage}{other}{_break_even(found)}"
    )
    return [Text(text, style="bold yellow")]


def _break_even(found: CheaperOption) -> str:
    if found.name == "this machine":
        return ""
    if found.break_even_tokens_per_month is None:
        return "; no number of tokens makes this fleet cheaper"
    return f"; from {compact(found.break_even_tokens_per_month)} tokens a month this fleet is cheaper"


def _work(plan: SavedPlan) -> list[RenderableType]:
    profile = plan.profile
    low, high = profile.interval["tokens"]
    work = (
        f"{plan.run}: {count(profile.documents)} documents, {count(profile.chunks)} chunks, "
        f"{compact(profile.tokens)} tokens"
    )
    work += "" if low == high else f" ({compact(low)} to {compact(high)})"
    if profile.files:
        work += f", {size(profile.bytes)} of text in {count(profile.files)} files"
    lines = [work]
    if profile.documents_cut:
        share = profile.tokens_cut / max(1, profile.tokens + profile.tokens_cut)
        lost = f"loses {share:.0%} of the tokens" if profile.tokens_cut else "loses some of their tokens"
        lines.append(f"truncation cuts {count(profile.documents_cut)} documents and {lost}")
    if profile.tokens_repeated:
        share = profile.tokens_repeated / max(1, profile.tokens)
        lines.append(
            f"about {share:.0%} of the tokens are in texts that repeat close by: these are embedded once"
        )
    if profile.bad_rows:
        lines.append(f"about {count(profile.bad_rows)} rows cannot be embedded")
    if profile.left_out:
        lines.append(left_out_text(profile.left_out, examples=True))
    return [Text(line) for line in lines]


def _groups(plan: SavedPlan) -> RenderableType:
    table = _columns("chosen", "places", "machines", "tok/s each", "$/h each", "$ / 1M tokens", words=2)
    for group in plan.lots:
        table.add_row(
            _machine(group),
            _places(group),
            count(group.machines),
            _rate(group.tokens_per_second),
            money(group.usd_per_hour),
            money(group.usd_per_million_tokens),
            style="bold",
        )
    return table


def _totals(plan: SavedPlan) -> list[RenderableType]:
    totals = plan.totals
    hours, usd = totals.hours, totals.usd
    items = [f"{_item(name)} {money(amount)}" for name, amount in totals.items.items() if amount]
    between = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    if usd.p50 is None:
        head = f"{hours_text(hours.p50)} ({between}: P10 to P90), dollars: ?"
    else:
        head = (
            f"{hours_text(hours.p50)} and {money(usd.p50)} "
            f"({between}, {money(usd.p10)} to {money(usd.p90)}: P10 to P90); "
            f"{money(totals.usd_per_million_tokens)} per 1M tokens"
        )
    lines = [Text(head, style="bold")]
    if items:
        lines.append(Text(f"= {' + '.join(items)}"))
    unpriced = [_item(name) for name, amount in totals.items.items() if amount is None]
    if unpriced and usd.p50 is not None:
        lines.append(Text(f"not in the dollars: {', '.join(unpriced)}", style="yellow"))
    sources = list(dict.fromkeys(f"{_machine(group)}: {group.speed_source}" for group in plan.lots))
    lines += [Text(f"speed: {plain(source)}", style="dim") for source in sources[:SHOWN_SOURCES]]
    return list(lines)


def _alternatives(plan: SavedPlan) -> RenderableType:
    table = _columns("instead", "machines", "n", "time", "dollars", "more", words=2)
    for one in plan.alternatives[:SHOWN_FLEETS]:
        more = one.usd_more
        table.add_row(
            plain(one.name),
            _fleet(one.lots),
            count(one.machines),
            hours_text(one.hours.p50),
            money(one.usd.p50),
            "?" if more is None else f"+{money(more)}" if more else "the same",
        )
    return _with_rest(table, len(plan.alternatives) - SHOWN_FLEETS)


def _frontier(plan: SavedPlan) -> RenderableType:
    """Time against dollars, from the soonest on: points spread evenly over the frontier."""
    points = plan.frontier
    step = max(1.0, (len(points) - 1) / (SHOWN_FLEETS - 1))
    shown = [points[round(n * step)] for n in range(min(SHOWN_FLEETS, len(points)))]
    table = _columns("sooner or cheaper", "machines", "n", "P90", "dollars", words=2)
    for one in shown:
        table.add_row(
            hours_text(one.hours.p50),
            _fleet(one.lots),
            count(one.machines),
            hours_text(one.hours.p90),
            money(one.usd.p50),
        )
    return _with_rest(table, len(points) - len(shown))


def _types(plan: SavedPlan) -> RenderableType:
    table = _columns(
        "alone", "cheapest place", "n", "tok/s each", "time", "dollars", "$ / 1M tokens", words=2
    )
    for kind in plan.kinds[:SHOWN_FLEETS]:
        table.add_row(
            _machine(kind),
            f"{kind.cloud} {plain(kind.region)[:REGION_LETTERS]} {'spot' if kind.spot else 'on-demand'}",
            count(kind.machines),
            _rate(kind.tokens_per_second),
            hours_text(kind.hours.p50),
            money(kind.usd.p50),
            money(kind.usd_per_million_tokens),
        )
    return _with_rest(table, len(plan.kinds) - SHOWN_FLEETS)


def _hosted(plan: SavedPlan) -> RenderableType:
    table = _columns("hosted API", "model", "$ / 1M tokens", "dollars", "in batches", words=2)
    for api in plan.hosted[:SHOWN_APIS]:
        same = " (the same weights)" if api.comparable else ""
        table.add_row(
            plain(api.provider),
            plain(api.model)[:MODEL_LETTERS] + same,
            money(api.usd_per_million_tokens),
            money(api.usd),
            "" if api.batch_usd is None else money(api.batch_usd),
        )
    return _with_rest(table, len(plan.hosted) - SHOWN_APIS)


def _footnotes(plan: SavedPlan) -> Iterator[RenderableType]:
    for line in plan.binding:
        yield Text(f"binds: {plain(line)}")
    quota = [
        f"{q.gpus:g} x {q.gpu} {q.cloud} {plain(q.region)} {'spot' if q.spot else 'on demand'}"
        for q in plan.quota_needed
    ]
    if quota:
        more = f" and {len(quota) - SHOWN_QUOTAS} more" if len(quota) > SHOWN_QUOTAS else ""
        yield Text(f"quota to ask for: {'; '.join(quota[:SHOWN_QUOTAS])}{more}")
    if plan.not_priced:
        yield Text(f"not priced: {'; '.join(map(plain, plan.not_priced))}", style="dim")
    if plan.prices_as_of:
        again = "embedfleet prices refresh reads them again"
        yield Text(f"prices: the oldest of {plan.prices_as_of}; {again}", style="dim")


def _columns(*names: str, words: int) -> Table:
    """A table whose first `words` columns are words, the rest figures."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        table.add_column(
            name, justify="left" if place < words else "right", no_wrap=True, overflow="ellipsis"
        )
    return table


def _with_rest(table: Table, hidden: int) -> RenderableType:
    return Group(table, Text(f"and {hidden} more in --json", style="dim")) if hidden > 0 else table


def _item(name: str) -> str:
    return plain(name).replace("_", " ")


def _rate(tokens_per_second: float) -> str:
    return rate(tokens_per_second).removesuffix(" tok/s")


def _machine(kind: MachineGroup | GroupSummary | SingleTypeFleet) -> str:
    return "this machine" if kind.cloud == "local" else f"{kind.gpus_per_machine:g} x {kind.gpu}"


def _places(group: MachineGroup) -> str:
    if group.cloud == "local":
        return "here"
    first, *others = group.regions
    more = f" and {len(others)} more" if others else ""
    return f"{group.cloud} {plain(first)[:REGION_LETTERS]}{more}, {'spot' if group.spot else 'on demand'}"


def _fleet(groups: Sequence[GroupSummary]) -> str:
    """The first machine groups of a fleet, and how many more it has."""
    parts = [f"{group.machines} of {_machine(group)}" for group in groups[:2]]
    return ", ".join(parts) + (f" and {len(groups) - 2} more" if len(groups) > 2 else "")
