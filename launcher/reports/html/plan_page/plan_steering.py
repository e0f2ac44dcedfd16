"""The section "Steering" of a plan's page: in the terminal's words what is expected, and all that the launch may rent."""

from launcher.format import count, money, rate
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import SteeredKind
from launcher.reports.html.elements import Section, folded, section, shown_of, table, tag
from launcher.reports.html.plan_text import short, with_detail
from launcher.reports.plans.steering_lines import further_assumptions, steering_lines

SHOWN_KINDS = 200  # an envelope has no more; a plan from elsewhere may


def steering_section(plan: SavedPlan) -> Section:
    """How the fleet is steered; where it is not, its chance to be late."""
    steering = plan.steering
    lines = [(word, short(text)) for word, text in steering_lines(plan)]
    if steering is None:
        return (
            section("Steering", "", table("Steering", ("", "What is expected"), lines, wide={1}))
            if lines
            else None
        )
    kinds = steering.envelope.kinds
    parts: list[object] = [table("Steering", ("", "What is expected"), lines, wide={1})]
    if assumptions := further_assumptions(plan):
        parts += [
            tag("h3", "What else this assumes"),
            tag("ul", *(tag("li", short(text)) for text in assumptions)),
        ]
    shown = shown_of(min(len(kinds), SHOWN_KINDS), len(kinds), "kinds")
    columns = ("Place", "Machine", "At most", "$ per hour", "Speed", "$ per 1M tokens")
    rows = [_row(kind) for kind in kinds[:SHOWN_KINDS]]
    parts.append(
        folded(
            "All that the launch may rent, the cheapest a token first",
            *([tag("p", shown, class_="note")] if shown else []),
            table("May rent", columns, rows, left={1}),
        )
    )
    return section("Steering", "Prices and speeds are of one machine, at the middle.", *parts, kind="long")


def _row(kind: SteeredKind) -> tuple[object, ...]:
    return (
        with_detail(
            f"{short(kind.cloud)} {short(kind.region)}",
            ", ".join(short(name) for name in (kind.zone, kind.instance_type) if name),
        ),
        with_detail(
            f"{kind.gpus_per_machine:g} x {short(kind.gpu)}",
            "spot" if kind.spot else "on demand",
        ),
        count(kind.machines),
        money(kind.usd_per_hour),
        rate(kind.tokens_per_second),
        money(kind.usd_per_million_tokens),
    )
