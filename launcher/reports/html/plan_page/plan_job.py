"""The sections of the plan's page on the job and its conditions: the work, the quotas to ask for, the prices used."""

from launcher.corpus.files.left_out import left_out_text
from launcher.documents.truncation import truncation_text
from launcher.format import count, hours_text, money, percent, plural, size
from launcher.jobs.job import Job, JobChunking
from launcher.planning.saved.saved_plan import CorpusFigures, SavedPlan
from launcher.reports.html.elements import Markup, Section, section, shown_of, table
from launcher.reports.html.plan_text import (
    in_brackets,
    interval,
    purchase,
    short,
    spaced,
)
from launcher.reports.html.report_page.report_texts import length_figures_section
from launcher.reports.plans.missed_limits import deadline_hours
from launcher.reports.plans.price_notes import has_undated
from launcher.reports.report_json import length_figures

SHOWN_QUOTAS = 100  # rows that a person still reads; beyond, the page says how many


def lengths_section(plan: SavedPlan) -> Section:
    """How long the texts are, with the cut."""
    profile = plan.profile
    lost = ""
    if profile.tokens_cut:
        whole = profile.tokens + profile.tokens_cut
        share = percent(profile.tokens_cut, whole)
        lost = f"The cut loses {share} of the tokens, in {count(profile.documents_cut)} documents. "
    return length_figures_section(length_figures(plan), lost)


def precision_section(plan: SavedPlan) -> Section:
    """What a reduced precision costs and loses, beside the usual one; None where the usual one is planned."""
    reduced = plan.totals.reduced
    if reduced is None:
        return None
    name, loss = short(reduced.precision), reduced.loss
    rows: list[tuple[object, ...]] = [
        ("Dollars, P50", money(plan.totals.usd.p50), money(reduced.usd_without), ""),
    ]
    if loss is not None:
        recall = "?" if loss.recall_at_10 is None else f"{loss.recall_at_10:.3f}"
        rows += [
            ("Cosine, mean", f"{loss.cosine_mean:.4f}", "1", "of the same text's two vectors"),
            ("Cosine, worst", f"{loss.cosine_worst:.4f}", "1", ""),
            ("Recall@10", recall, "1", "share of a text's ten nearest neighbours that stay"),
        ]
        note = f"Measured on {count(loss.texts)} texts of the corpus: {short(loss.how)}."
    else:
        note = f"What it loses is not measured: {short(reduced.why_not_measured or '?')}."
    columns = ("", name, "Usual precision", "What it is")
    return section(f"Precision {name}", note, table("Precision", columns, rows, wide={3}))


def quota_section(plan: SavedPlan) -> Section:
    """What the account must be allowed in each region; None for this machine."""
    rows = [
        (
            short(q.cloud),
            short(q.region),
            short(q.gpu),
            purchase(q, bare=True),
            f"{q.gpus:g}",
            count(q.vcpus),
        )
        for q in plan.quota_needed[:SHOWN_QUOTAS]
    ]
    if not rows:
        return None
    note = "What the account must be allowed in each region; some clouds count vCPUs, some GPUs. "
    note += shown_of(len(rows), len(plan.quota_needed), "rows")
    columns = ("Cloud", "Region", "GPU", "Bought", "GPUs", "vCPUs")
    return section("Quotas to ask for", note, table("Quotas", columns, rows, left={1, 2, 3}), kind="long")


def work_section(plan: SavedPlan, job: Job) -> Markup:
    """What the job asks for, and what the corpus holds."""
    profile, work = plan.profile, plan.work
    rows = [
        ("Model", f"{short(job.model)}, by {short(work.engine)}"),
        ("Corpus", short(work.corpus or "declared: there is nothing to read yet")),
        ("Text", f"{size(profile.bytes)}{in_brackets(interval(profile, 'bytes', size))}"),
        ("Chunks", _chunks(job.chunk)),
        *_losses(profile),
        *_left_out(profile),
    ]
    if job.output:
        kept = f", {plural(job.output.dimensions, 'dimension')}" if job.output.dimensions else ""
        rows.append(("Output", f"{short(job.output.path)}, {short(job.output.dtype)}{kept}"))
    rows.append(("Limits", _limits(plan, job)))
    return section("Configuration", "", table("Configuration", ("", ""), rows, wide={1}))


def prices_section(plan: SavedPlan) -> Section:
    """How old the prices are, and why offers were left out; None if no price was used."""
    left_out = sorted(plan.left_out.items(), key=lambda item: -item[1])
    if not plan.prices_as_of and not left_out and not has_undated(plan):
        return None
    note = ""
    if plan.prices_as_of:
        note = f"The oldest price used is of {plan.prices_as_of}{in_brackets(price_age(plan))}. "
    if has_undated(plan):
        note += "Prices of the chosen machines have no date: their age is unknown. "
    if note:
        note += "Spot prices move within days: embedfleet prices refresh reads them again."
    rows = [(short(reason), count(offers)) for reason, offers in left_out]
    columns = ("Offers left out, because of", "Offers")
    made = [table("Offers left out", columns, rows, wide={0})] if rows else []
    return section("Prices", note, *made, kind="long")


def price_age(plan: SavedPlan) -> str:
    """How old the oldest price was when the plan was made."""
    if not plan.prices_as_of:
        return ""
    days = (plan.created.date() - plan.prices_as_of).days
    return f"{plural(days, 'day')} old" if days > 0 else "of the day of the plan"


def _chunks(chunk: JobChunking) -> str:
    if chunk.tokens:
        by = "" if chunk.by == "tokens" else f" at most, by {chunk.by}"
        return (
            f"{plural(chunk.tokens, 'token')}{by}, {count(chunk.overlap)} of them shared with the one before"
        )
    end = f"at {plural(chunk.truncate, 'token')}" if chunk.truncate else "where the model ends"
    return f"one a document, cut {end}"


def _losses(profile: CorpusFigures) -> list[tuple[str, str]]:
    """What truncation cuts off, and rows that cannot be embedded."""
    rows: list[tuple[str, str]] = []
    if profile.truncation:
        rows.append(("Truncation", truncation_text(profile.truncation)))
    elif profile.documents_cut:
        total = profile.tokens + profile.tokens_cut
        lost = f"{percent(profile.tokens_cut, total)} of all" if profile.tokens_cut else "some"
        rows.append(
            ("Truncation", f"cuts {plural(profile.documents_cut, 'document')} and loses {lost} tokens")
        )
    if profile.bad_rows:
        rows.append(("Bad rows", f"about {count(profile.bad_rows)} cannot be embedded"))
    return rows


def _left_out(profile: CorpusFigures) -> list[tuple[str, str]]:
    """What the corpus path names and is not read."""
    if not profile.left_out:
        return []
    return [("Not read", short(left_out_text(profile.left_out, examples=True)))]


def _limits(plan: SavedPlan, job: Job) -> str:
    limits, deadline = job.limits, deadline_hours(plan, job.limits)
    given: tuple[tuple[str, str | None], ...] = (
        ("deadline", hours_text(deadline) if deadline else None),
        ("budget", money(limits.budget) if limits.budget is not None else None),
        ("gpus", ", ".join(map(short, limits.gpus))),
        ("clouds", ", ".join(map(short, limits.clouds))),
        ("regions", ", ".join(map(short, limits.regions))),
        ("spot", limits.spot),
        ("machines", count(limits.machines) if limits.machines else None),
        (
            "machines_per_region",
            count(limits.machines_per_region) if limits.machines_per_region else None,
        ),
        ("quota", f"{len(job.quota) + len(job.vcpu_quota)} given" if job.quota or job.vcpu_quota else None),
    )
    return "; ".join(f"{spaced(name)}: {short(value)}" for name, value in given if value)
