"""`embedfleet serve --check URL`: whether a server gives the vectors of a run, what is wrong, and how fast it is."""

import json
import os
from argparse import Namespace
from collections.abc import Sequence

from launcher.cli.console import say, show
from launcher.cli.named_dataset import named_dataset
from launcher.documents.serve_check import CheckDocument, Latency
from launcher.errors import Problem, Usage
from launcher.format import plural
from launcher.reports.terminal.serve_check import check_text
from launcher.serve.checks.check import ROWS, ask, compare, least_enough
from launcher.serve.checks.client import EmbeddingClient, parse_address
from launcher.serve.checks.latency import CLIENTS, REQUESTS, measure_latency
from launcher.serve.checks.sampled_texts import SampledText, sample_texts, short_texts
from launcher.serve.served_run import exact_dtype
from launcher.vectors.query_encoder import load_run_encoder

SENT = "input_type"  # what our own server reads; others leave it alone


def check(arguments: Namespace) -> int:
    """Ask the server for sampled texts and compare.

    Raises:
        Problem: its vectors are not the run's; or it gives none.
    """
    runs: Sequence[str] = arguments.run
    if len(runs) > 1:
        raise Usage("--check is of one run", hint="name one run")
    address = parse_address(arguments.check)
    dataset = named_dataset(Namespace(run=runs[0] if runs else None, runs=arguments.runs))
    client = EmbeddingClient(
        address, key_of(arguments.key), more={SENT: "document", **_fields(arguments.send)}
    )
    client.model = arguments.model or _model(client, dataset.run)
    texts = sample_texts(dataset, ROWS, arguments.seed)
    dtype = exact_dtype(dataset)
    encoder = load_run_encoder(dataset.header, dtype=dtype)
    tokens = arguments.send_tokens or dataset.header.overlap is not None
    if tokens and not arguments.send_tokens:
        say("the run cuts documents into chunks: token ids are sent, not texts")
    asked = ask(
        client, texts, encoder, tokens=tokens, prompt=dataset.header.prompt if arguments.send_prompt else ""
    )
    least = least_enough(encoder, exact=dtype == "float32")
    cosines, lengths, mistakes = compare(asked, encoder, least=least)
    latency = () if arguments.no_latency else _latency(client, texts)
    client.close()
    equal = cosines is not None and bool((cosines >= least).all()) and not mistakes and not asked.refused
    document = CheckDocument(
        run=dataset.run,
        url=address.shown,
        model=client.model,
        equal=equal,
        rows=len(asked.texts),
        sent="token ids" if tokens else "texts",
        least_cosine=None if cosines is None else round(float(cosines.min()), 6),
        least_enough=least,
        share_equal=0.0 if cosines is None else round(float((cosines >= least).mean()), 6),
        dimensions=len(asked.found[0]),
        expected_dimensions=dataset.dimensions,
        least_length=round(float(lengths.min()), 6),
        mistakes=mistakes,
        refused=asked.refused,
        refused_said=asked.said,
        latency=latency,
    )
    show(document, check_text, as_json=arguments.json)
    if not equal:
        raise _different(document)
    return 0


def _different(found: CheckDocument) -> Problem:
    if found.mistakes:
        first = found.mistakes[0]
        return Problem(
            f"the server's vectors are not those of run {found.run}: {first.name}", hint=first.hint
        )
    if found.refused:
        return Problem(
            f"the server embeds {found.rows} of {plural(found.rows + found.refused, 'text')}: {found.refused_said}",
            hint="long texts must be cut: send truncate_prompt_tokens to vLLM, or token ids",
        )
    return Problem(
        f"the server's vectors are not those of run {found.run}, and no known mistake gives them",
        hint="check that it serves the same weights: GET /v1/models, and the fingerprint in the run's manifest",
    )


def key_of(variable: str | None) -> str | None:
    """The key that an environment variable holds.

    Raises:
        Usage: it is not set.
    """
    if variable is None:
        return None
    found = os.environ.get(variable, "").strip()
    if not found:
        raise Usage(f"${variable} is not set", hint=f"export {variable}, with a key of at least 16 letters")
    return found


def _fields(words: Sequence[str]) -> dict[str, object]:
    """KEY=VALUE of --send; a value is JSON, or else a text."""
    found: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise Usage(
                f"--send {word[:60]!r} is no KEY=VALUE", hint="such as --send truncate_prompt_tokens=256"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _model(client: EmbeddingClient, run: str) -> str:
    names = client.models()
    if not names or run in names:
        return run
    if len(names) > 1:
        raise Usage(f"the server lists {', '.join(names[:5])}", hint="name one of them: --model NAME")
    return names[0]


def _latency(client: EmbeddingClient, texts: Sequence[SampledText]) -> tuple[Latency, ...]:
    def another() -> EmbeddingClient:
        return EmbeddingClient(client.address, client.key, client.model, client.more)

    queries = short_texts(texts, REQUESTS * len(CLIENTS))
    found: list[Latency] = []
    for place, clients in enumerate(CLIENTS):
        say(f"measuring {clients} at once")
        part = queries[place * REQUESTS : (place + 1) * REQUESTS]
        found.append(measure_latency(another, part, clients))
    return tuple(found)
