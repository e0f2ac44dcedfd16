"""`embedfleet serve --write FILE`: a service of SkyServe with vLLM for the model of a run, its machines and dollars."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from importlib.resources import files as package_files
from pathlib import Path

from launcher.cli.console import show
from launcher.cli.named_dataset import named_dataset
from launcher.documents.serve_write import ServiceDocument
from launcher.errors import Usage
from launcher.files import write
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.planning.estimates.hosted_apis import HostedApi
from launcher.planning.offers.price_book import book_of
from launcher.reports.terminal.serve_write import prompts_text, write_text
from launcher.serve.rented.service_plan import break_even, cheapest_hosted, choose_service
from launcher.serve.rented.service_yaml import BETA, UNTRIED, ServiceSpec, service_request, service_yaml
from launcher.throughput import model_shapes
from launcher.vectors.query_encoder import prompt_of
from pricing.hosted.hosted_apis import hosted_prices
from tasks.clock import utc
from tasks.models.describe import describe
from tasks.models.files import HASH_MODEL
from tasks.models.fingerprint import pinned
from tasks.models.tokenizing.pieces import piece_limit

HOSTED_OTHER = "hosted APIs of the same class give other vectors: the corpus would be embedded again"


def write_service(arguments: Namespace) -> int:
    """Write the YAML, and print what it costs.

    Raises:
        Problem: vLLM does not compute the model, or no offer holds it.
    """
    runs: Sequence[str] = arguments.run
    if len(runs) > 1:
        raise Usage("--write is of one run", hint="name one run")
    if arguments.write.exists():
        raise Usage(f"{arguments.write} exists", hint="name another file: nothing is overwritten")
    dataset = named_dataset(Namespace(run=runs[0] if runs else None, runs=arguments.runs))
    header = dataset.header
    if header.model == HASH_MODEL:
        raise Usage("the hash model is computed by this project alone", hint="serve a run of a real model")
    located = pinned(header.model, header.model_fingerprint)
    described, shape = (
        describe(located),
        model_shapes.shape(located if Path(located).is_dir() else header.model),
    )
    choice = choose_service(
        shape,
        book_of(None, offline=arguments.offline).offers,
        queries_per_second=arguments.qps,
        tokens=arguments.query_tokens,
        now=utc(),
        seen=_seen(arguments.runs),
        name=header.model,
    )
    limit = piece_limit(described, header.tokens)
    requirements = str(package_files("tasks") / "requirements")
    spec = ServiceSpec(header, described, dataset.dimensions, limit, choice, requirements)
    api = cheapest_hosted(header.model, shape.params_total, dataset.dimensions, hosted_prices())
    document = _document(spec, api, arguments)
    comments = _comments(spec, arguments.write.name, document.prompts)
    write(arguments.write, service_yaml(spec, comments))
    show(document, write_text, as_json=arguments.json)
    return 0


def _document(spec: ServiceSpec, api: HostedApi | None, arguments: Namespace) -> ServiceDocument:
    """What the service needs and costs, beside the cheapest hosted API."""
    header, choice = spec.header, spec.choice
    price = None if api is None else api.hosted.usd_per_million_tokens
    even = None if price is None else break_even(choice.usd_per_month, price, arguments.query_tokens)
    notes = [BETA, UNTRIED, "the speed is half of the P10 of full batches: measure it with --check"]
    if api is not None and not api.comparable:
        notes.append(HOSTED_OTHER)
    return ServiceDocument(
        run=header.run,
        file=str(arguments.write),
        gpu=choice.offers[0].gpu,
        instance_type=choice.offers[0].machine,
        places=tuple(f"{offer.cloud}/{offer.zone or offer.region}" for offer in choice.offers),
        usd_per_hour=choice.usd_per_hour,
        queries_per_second=arguments.qps,
        tokens_per_query=arguments.query_tokens,
        replica_queries_per_second=round(choice.replica_queries_per_second, 2),
        replicas=choice.replicas,
        usd_per_month=choice.usd_per_month,
        speed_source=choice.speed.source or "?",
        hosted=None if api is None else api.name,
        hosted_same_weights=None if api is None else api.comparable,
        break_even_queries_per_day=even,
        request=service_request(spec),
        prompts={kind: prompt_of(header, kind).text for kind in ("query", "document")},
        notes=tuple(notes),
    )


def _comments(spec: ServiceSpec, file: str, prompts: Mapping[str, str]) -> list[str]:
    """The lines before the YAML: how to start it, what clients send, and how it is checked."""
    run = spec.header.run
    how = (
        "--send-tokens" if spec.header.overlap is not None else f"--send truncate_prompt_tokens={spec.limit}"
    )
    if prompts["document"] and spec.header.overlap is None:
        how += " --send-prompt"
    return [
        f"Queries of run {run}: `sky serve up {file} -n docs`. {BETA}.",
        f"Every request must hold {service_request(spec)}.",
        f"Prompts: {prompts_text(prompts)}.",
        f"Check: embedfleet serve {run} --check http://ENDPOINT/v1 {how}",
    ]


def _seen(runs: Path) -> Sequence[MeasuredSpeed]:
    """Speeds that this laptop has measured."""
    path = runs / "ledger.db"
    if not path.is_file():
        return ()
    with Ledger.open(path) as ledger:
        return ledger.speeds.matching()
