"""`embedfleet evaluate`: retrieval measured with the vectors of a run, and with cheaper representations of them."""

from argparse import Namespace
from collections.abc import Sequence

from launcher.cli.console import say, show
from launcher.cli.named_dataset import named_dataset
from launcher.errors import Usage
from launcher.evaluation.evaluate import EvaluateOptions, evaluate
from launcher.evaluation.judgments import read_judgments
from launcher.evaluation.known import keep_evaluation
from launcher.evaluation.representations import halves
from launcher.reports.terminal.evaluate import evaluate_text
from launcher.throughput.matryoshka import trained_dimensions
from tasks.stores.base import StoreError


def run(arguments: Namespace) -> int:
    """Read the judgments, embed the queries and print the measures."""
    if not 0 < arguments.keep <= 1:
        raise Usage(f"--keep {arguments.keep:g} is no share", hint="give a share above 0, such as 0.99")
    judgments = read_judgments(arguments.queries, arguments.qrels)
    dataset = named_dataset(arguments)
    shorter: Sequence[int] | None = arguments.dimensions
    if shorter is None:
        trained = trained_dimensions(dataset.header.model)
        if trained is not None:
            shorter = [n for n in halves(dataset.dimensions) if trained.allows(n)]
    options = EvaluateOptions(
        shorter=shorter, keep=arguments.keep, prompt=arguments.prompt, allow_missing=arguments.allow_missing
    )
    found = evaluate(dataset, judgments, options)
    try:
        keep_evaluation(dataset.store, found)
    except (
        StoreError
    ) as problem:  # such as a bucket that may only be read: the figures are what was asked for
        say(f"the next plan will not know of this: {problem}")
    show(found, evaluate_text, as_json=arguments.json)
    return 0
