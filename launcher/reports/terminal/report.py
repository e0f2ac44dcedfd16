"""The report of a run on one terminal screen."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import at_least, count, duration, money, plain, plural, signed_money, size, utc_time
from launcher.reports.document import CounterfactualRow, ReportDocument
from launcher.reports.summary import compare_figures, corpus_facts, part_shares, total_dollars

SHOWN_CAUSES = 5  # of the difference between plan and run; the page has all
SHOWN_FACTS = 4  # about the corpus; the page has all, among the events
SHOWN_UNKNOWNS = 12  # sentences; with more the rest would leave the screen
BAR_SQUARES = 24  # of a bar for the whole machine time


def report_text(report: ReportDocument) -> RenderableType:
    """The report on one terminal screen."""
    head = Text.assemble(
        (plain(report.name), "bold"), f"  {plain(report.run)}  ", (plain(report.state), "cyan")
    )
    when = Text(f"{utc_time(report.created)} to {utc_time(report.updated)}", "dim")
    parts: list[RenderableType] = [head, when, Text(), _plan_table(report), Text(), _spend_table(report)]
    parts += [
        *_waterfall(report),
        *_instead(report),
        Text(),
        _work(report),
        *_corpus(report),
        *_unknown(report),
    ]
    return Group(*parts)


def _plan_table(report: ReportDocument) -> Table:
    table = _table("Plan and run", "planned", "actual", "difference", "P10 to P90")
    for row in compare_figures(report):
        table.add_row(row.label, row.planned, row.actual, row.difference, row.between)
    return table


def _spend_table(report: ReportDocument) -> Table:
    table = _table("Machine time", "time", "share", "dollars")
    table.add_column()
    total = report.spend.seconds.total
    for row in part_shares(report):
        bar = "\N{BLACK SQUARE}" * round(BAR_SQUARES * row.seconds / total) if total else ""
        table.add_row(row.label, row.time, row.share, row.dollars, Text(bar, "dim"))
    if report.spend.others:
        table.add_row("other charges", "", "", money(report.spend.other), "")
    table.add_row("total", duration(total), "", total_dollars(report), "", style="bold")
    return table


def _waterfall(report: ReportDocument) -> list[RenderableType]:
    """Why the dollars differ from the plan's, the largest causes first, and how far off the plan was."""
    found = report.waterfall
    if not found or not found.steps:
        return []
    ranked = sorted(found.steps, key=lambda step: -abs(step.usd))
    causes = [f"{signed_money(step.usd)} {step.cause.replace('_', ' ')}" for step in ranked[:SHOWN_CAUSES]]
    if rest := sum(step.usd for step in ranked[SHOWN_CAUSES:]):
        causes.append(f"{signed_money(rest)} the rest")
    head = f"plan {money(found.planned)}, run {money(found.actual)}: "
    lines: list[RenderableType] = [Text(), Text.assemble(("Why  ", "bold"), head, ", ".join(causes))]
    if error := report.lessons.plan:
        off, again = abs(error.off), abs(error.off_again)
        words = f"The plan was {off:.1%} off; with the speeds measured here it would be {again:.1%}"
        lines.append(Text(words, "dim"))
    return lines


def _instead(report: ReportDocument) -> list[RenderableType]:
    """The cheapest counterfactual of each group."""
    best: dict[str, CounterfactualRow] = {}
    for one in report.instead:
        best.setdefault(one.group, one)
    if not best:
        return []
    words = "; ".join(f"{plain(one.name)} {money(one.usd)}" for one in best.values())
    return [Text(), Text.assemble(("Instead  ", "bold"), words)]


def _work(report: ReportDocument) -> RenderableType:
    work = report.work
    facts = [
        f"{count(work.shards_done)} of {plural(work.shards, 'shard')}",
        plural(len({m.name for m in report.machines}), "machine"),
        *([f"{count(len(report.preemptions))} taken away"] if report.preemptions else []),
        f"{plural(len(report.lost), 'lease')} lost",
        f"{plural(work.tokens_cut, 'token')} cut",
        f"{size(report.output_bytes)} written",
    ]
    if work.tokens_repeated:
        share = work.tokens_repeated / work.tokens
        facts.append(f"{share:.0%} of the tokens in texts embedded once already")
    failed = (
        at_least(work.cut_short) + plural(work.failed_rows, "failed row"),
        "bold red" if work.failed_rows else "",
    )
    return Text.assemble(("Work  ", "bold"), ", ".join(facts), ", ", failed)


def _corpus(report: ReportDocument) -> list[RenderableType]:
    return [
        Text.assemble(("Corpus  ", "bold"), (plain(fact), "yellow"))
        for fact in corpus_facts(report)[:SHOWN_FACTS]
    ]


def _unknown(report: ReportDocument) -> list[RenderableType]:
    if not report.unknown:
        return []
    sentences = [f"? {plain(sentence)}" for sentence in report.unknown[:SHOWN_UNKNOWNS]]
    if (more := len(report.unknown) - SHOWN_UNKNOWNS) > 0:
        sentences.append(f"? and {more} more in --json")
    return [Text(), Text("Unknown", "bold"), *(Text(sentence, "yellow") for sentence in sentences)]


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=22)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
