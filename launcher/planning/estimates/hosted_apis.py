"""Hosted embedding APIs as another way to do a job: what each asks, how its model is related, and what does not fit.

Pure. An API of the same weights gives the same vectors. One of the same class
(`pricing.hosted.hosted_apis.CLASS_FACTOR`) gives others, of an unknown quality; a smaller one is never
set against the fleet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePath

from launcher.format import compact, count, plural
from launcher.money import decimal_of_float
from pricing.hosted.hosted_apis import (
    MILLION,
    HostedPrice,
    Relation,
    UnknownPrice,
    cost,
    hosted_parameters,
    relation,
)

BATCH_HOURS = 24.0  # within which providers return batches: a tighter deadline pays the list price
SAME_SIZE = (
    0.02  # by which the parameters of a folder may differ from those of the weights that it is named after
)
FLAG_NOTES = {
    "credit_fee": "buying credit there costs a fee on top",
    "far_from_others": "its price is far from those of other providers: check it",
    "free_allowance": "a small free allowance is not counted",
    "second_hand": "its price was not read at the provider",
    "version_unsaid": "it does not say which version it serves",
}
BATCH_FLAG_NOTES = {
    "batch_by_provider": "its discount on batches is stated for all its models, not for this one",
    "batch_second_hand": "its price of batches was not read at the provider",
}
RELATION_ORDER: dict[Relation, int] = {
    "same weights": 0,
    "same class": 1,
    "larger": 2,
    "smaller": 2,
    "unknown": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedWork:
    """What an API would have to do. None: not known, or not limited."""

    model: str  # hub id, or the folder of the job
    parameters: int | None
    tokens: float  # by the model's own tokenizer
    longest: float | None = None  # tokens of a long text
    dimensions: int | None = None  # that the job keeps
    deadline_hours: float | None = None


@dataclass(frozen=True, slots=True)
class HostedApi:
    """A hosted API doing this job, at its list price and at its batch price."""

    hosted: HostedPrice
    relation: Relation
    usd: Decimal
    batch_usd: Decimal | None  # None: it sells no batches, or their price is not known
    batches_in_time: bool = True
    notes: tuple[str, ...] = ()  # what does not fit, or is not known, in words

    @property
    def comparable(self) -> bool:
        """Whether it gives the same vectors."""
        return self.relation == "same weights"

    @property
    def parameters(self) -> int | None:
        """Of its model; None: not published."""
        return hosted_parameters().get(self.hosted.open_model or "")

    @property
    def batched(self) -> bool:
        """Whether batches are the cheaper way, and would be in time."""
        return self.batches_in_time and self.batch_usd is not None and self.batch_usd < self.usd

    @property
    def least(self) -> Decimal:
        """The lower of both prices, as far as batches would be in time."""
        return self.batch_usd if self.batched and self.batch_usd is not None else self.usd

    @property
    def name(self) -> str:
        """Such as "openai text-embedding-3-small in batches"."""
        return f"{self.hosted.provider} {self.hosted.model}" + (" in batches" if self.batched else "")


def price_apis(work: HostedWork, hosted: Iterable[HostedPrice]) -> tuple[HostedApi, ...]:
    """Every API with its price for this work: the same weights first, then the same class, then by price."""
    whole = int(decimal_of_float(work.tokens).to_integral_value())
    model = open_model_of(work.model, work.parameters) or work.model
    in_time = work.deadline_hours is None or work.deadline_hours >= BATCH_HOURS
    found: list[HostedApi] = []
    for one in hosted:
        listed = cost(one, whole)
        assert listed is not None, "every API has a list price"
        related = relation(one, model, work.parameters)
        api = HostedApi(one, related, listed, cost(one, whole, batch=True), in_time)
        found.append(replace(api, notes=_notes(api, work)))
    return tuple(
        sorted(found, key=lambda a: (RELATION_ORDER[a.relation], a.least, a.hosted.provider, a.hosted.model))
    )


def open_model_of(model: str, parameters: int | None) -> str | None:
    """The hub id of open weights that APIs serve, for a hub id or for a folder that has their name and their size.

    None: no API is known to serve them.
    """
    names = {name.casefold(): name for name in hosted_parameters()}
    if model.casefold() in names:
        return names[model.casefold()]
    parts = [part.casefold().removeprefix("models--") for part in PurePath(model).parts]
    for name, size in hosted_parameters().items():
        owner, _, last = name.casefold().partition("/")
        if {last, f"{owner}--{last}"} & set(parts):
            same = parameters is not None and abs(parameters - size) <= SAME_SIZE * size
            return name if same else None
    return None


def missing_prices(work: HostedWork, unknown: Iterable[UnknownPrice]) -> tuple[str, ...]:
    """A sentence on the APIs that serve these weights at a price that is not known; none: there are no such."""
    model = open_model_of(work.model, work.parameters) or work.model
    names = [u.provider for u in unknown if u.open_model == model and u.kind == "list"]
    return (f"these weights hosted by {', '.join(names)}: the price is not known",) if names else ()


def _notes(api: HostedApi, work: HostedWork) -> tuple[str, ...]:
    """What does not fit this work, and what is not known of the API, in words."""
    hosted, out = api.hosted, list[str]()
    gives, keeps = hosted.dimensions, work.dimensions
    if gives and keeps and (gives < keeps or (gives != keeps and not api.comparable)):
        out.append(f"it gives {plural(gives, 'dimension')}, the job keeps {count(keeps)}")
    if hosted.max_input_tokens and work.longest and work.longest > hosted.max_input_tokens:
        longest, most = count(round(work.longest)), hosted.max_input_tokens
        out.append(f"it takes texts of at most {plural(most, 'token')}, and some have {longest}")
    out += _pace(hosted, work)
    flags = FLAG_NOTES | (BATCH_FLAG_NOTES if api.batched else {})
    out += [flags[flag] for flag in hosted.flags if flag in flags]
    if not api.comparable:
        out.append("its own tokenizer may count more or fewer tokens than this job's")
    return tuple(out)


def _pace(hosted: HostedPrice, work: HostedWork) -> list[str]:
    """A note when the deadline asks for a pace that the API does not give, or that it is not known to give."""
    if work.deadline_hours is None:
        return []
    needed = work.tokens / work.deadline_hours / 60
    limit = hosted.tokens_per_minute
    pace = f"the deadline needs {compact(round(needed))} tokens a minute"
    if limit is None:
        return [f"{pace}, and its rate limit is not known"] if needed > MILLION else []
    return [f"{pace}, and its rate limit is {compact(limit)}"] if needed > limit else []
