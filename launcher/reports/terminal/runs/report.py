"""The report of a run on one terminal screen."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import (
    at_least,
    count,
    duration,
    money,
    plain,
    plural,
    share_text,
    signed_money,
    size,
    utc_time,
    verb,
)
from launcher.reports.document import CounterfactualRow, ReportDocument, WorkDone
from launcher.reports.sections.run_facts import fact_rows
from launcher.reports.steering import PlaceAnswers, hindsight_text
from launcher.reports.summary import (
    HOSTED,
    any_dollars,
    compare_figures,
    corpus_facts,
    hosted_words,
    machines_text,
    on_demand_text,
    part_shares,
    plan_error_text,
    start_name,
    total_dollars,
)
from launcher.reports.terminal.runs.course import decision_text
from launcher.reports.terminal.truncation import truncation_line

SHOWN_CAUSES = 5  # of the difference between plan and run; the page has all
SHOWN_FACTS = 4  # about the corpus; the page has all, among the events
FACT_LINES = (  # the facts of one line each, under the label of the first
    ("Output", "Vectors"),
    ("Model", "Chunking"),
    ("Corpus",),
    ("Engine", "Versions"),
    ("Command",),
    ("Load",),
)
SHOWN_UNKNOWNS = 5  # sentences; with more the rest would leave the screen
SHOWN_STAGES = 3  # of a worker's start
BAR_SQUARES = 24  # of a bar for the whole machine time

SHOWN_DECISIONS = 8  # of steering, the newest


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
        *_starts(report),
        *_steering(report),
        *([truncation_line(report.work.truncation)] if report.work.truncation else []),
        *_corpus(report),
        *_unknown(report),
        *_facts(report),
    ]
    return Group(*parts)


def _plan_table(report: ReportDocument) -> Table:
    table = _table("Plan and run", "planned", "actual")
    for name in ("difference", "P10 to P90"):  # which may break on a narrow screen
        table.add_column(name, justify="right")
    for row in compare_figures(report):
        table.add_row(row.label, row.planned, row.actual, row.difference, row.between)
    return table


def _spend_table(report: ReportDocument) -> Table:
    known = any_dollars(report)
    table = _table("Machine time", "time", "share", *(("dollars",) if known else ()))
    table.add_column()
    total = report.spend.seconds.total
    for row in part_shares(report):
        bar = "\N{BLACK SQUARE}" * round(BAR_SQUARES * row.seconds / total) if total else ""
        dollars = (row.dollars,) if known else ()
        table.add_row(row.label, row.time, row.share, *dollars, Text(bar, "dim"))
    if report.spend.others:
        table.add_row("other charges", "", "", money(report.spend.other), "")
    dollars = (total_dollars(report),) if known else ()
    table.add_row("total", duration(total), "", *dollars, "", style="bold")
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
    if words := plan_error_text(report.lessons.plan):
        lines.append(Text(words, "dim"))
    return lines


def _instead(report: ReportDocument) -> list[RenderableType]:
    """The same weights hosted, the cheapest other way of each kind, and a note on another model."""
    lines: list[Text] = []
    words = hosted_words(report)
    if words is not None:
        lines.append(Text.assemble(("Hosted  ", "bold"), words.first))
    best: dict[str, CounterfactualRow] = {}
    for one in report.instead:
        best.setdefault(one.group, one)
    others = [one for group, one in best.items() if group not in HOSTED]
    if others:
        each = "; ".join(f"{plain(one.name)} {money(one.usd)}" for one in others)
        lines.append(Text.assemble(("Instead  ", "bold"), each))
    if words is not None and words.note is not None:
        lines.append(Text(f"note: {words.note}", "dim"))
    return [Text(), *lines] if lines else []


def _work(report: ReportDocument) -> RenderableType:
    work = report.work
    facts = [
        f"{count(work.shards_done)} of {plural(work.shards, 'shard')}",
        machines_text(report),
        *([f"{count(len(report.preemptions))} taken away"] if report.preemptions else []),
        f"{plural(len(report.lost), 'lease')} lost",
        f"{plural(work.tokens_cut, 'token')} cut",
        f"{size(report.output_bytes)} written",
    ]
    if work.tokens_repeated:
        share = work.tokens_repeated / work.tokens
        facts.append(f"{share_text(share)} of the tokens in texts embedded once already{_saved(work)}")
    failed = (
        at_least(work.cut_short) + plural(work.failed_rows, "failed row"),
        "bold red" if work.failed_rows else "",
    )
    return Text.assemble(("Work  ", "bold"), ", ".join(facts), ", ", failed)


def _saved(work: WorkDone) -> str:
    """What the texts that were not embedded again saved, in words."""
    first = f"{plural(work.repeats.vectors, 'text')} before the shards" if work.repeats else ""
    saved = f"saves about {money(work.usd_saved)}" if work.usd_saved else ""
    words = ", ".join(word for word in (first, saved) if word)
    return f" ({words})" if words else ""


def _starts(report: ReportDocument) -> list[RenderableType]:
    """The longest stages of the workers' start, in a line: the page has all. What is not known may be long, too."""
    if not report.starts:
        return []
    workers = max(one.workers for one in report.starts)
    ranked = sorted(report.starts, key=lambda one: -(one.median_seconds or 0))
    shown = {one.stage for one in ranked[:SHOWN_STAGES]}
    stages = ", ".join(
        f"{start_name(one.stage)} {duration(one.median_seconds)}"
        for one in report.starts
        if one.stage in shown or one.median_seconds is None
    )
    of = "" if workers == 1 else f", medians of {plural(workers, 'worker')}"
    return [Text.assemble(("Start  ", "bold"), f"mostly {stages}{of}")]


def _steering(report: ReportDocument) -> list[RenderableType]:
    """How the run was steered: in time or late, what places answered, and the last decisions."""
    found = report.steering
    if found is None:
        return []
    lines: list[RenderableType] = [Text(), Text(f"Steering: {plain(found.policy)}", "bold")]
    if found.late_minutes is not None:
        by = duration(abs(found.late_minutes) * 60)
        lines.append(Text(f"done {by} {'after' if found.late_minutes > 0 else 'before'} the deadline"))
    if found.answers:
        lines.append(Text(_answers(found.answers)))
    if rented := on_demand_text(report.machines):
        lines.append(Text(rented))
    if found.hindsight is not None:
        lines.append(Text(hindsight_text(found.hindsight)))
    shown = found.decisions[-SHOWN_DECISIONS:]
    lines += [Text(f"  {decision_text(one, report.updated)}") for one in shown]
    if more := len(found.decisions) - len(shown):
        lines.append(Text(f"  {plural(more, 'earlier decision')} in --json and on the page", "dim"))
    return lines


def _answers(answers: Sequence[PlaceAnswers]) -> str:
    """How many machines were asked for and came; the rest was cancelled, or has no answer yet."""
    asked, came = sum(one.asked for one in answers), sum(one.came for one in answers)
    none = sum(one.none for one in answers)
    text = (
        f"asked {plural(len(answers), 'place')} for {plural(asked, 'machine')}: "
        f"{came:,} came, {none:,} {verb(none, 'was', 'were')} not to be had"
    )
    rest = asked - came - none
    return text if rest <= 0 else f"{text}, {rest:,} {verb(rest, 'was', 'were')} cancelled or not answered"


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


def _facts(report: ReportDocument) -> list[RenderableType]:
    """What was embedded, how, where the vectors are and how to read them, related facts in one line."""
    facts = {row.label: row for row in fact_rows(report)}
    if not facts:
        return []
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for labels in FACT_LINES:
        rows = [facts[label] for label in labels]
        text = "; ".join(row.text for row in rows)
        table.add_row(labels[0], Text(text, "cyan" if rows[0].code else ""))
    return [Text(), table]


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=22, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
