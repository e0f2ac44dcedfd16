"""`embedfleet compare`: two runs side by side, why one cost more, and how far their vectors are apart."""

from argparse import Namespace

from launcher.cli.commands.report import current_report
from launcher.cli.console import show
from launcher.cli.open_ledger import existing_ledger
from launcher.reports.lists.run_comparison import compare_runs
from launcher.reports.report_json import report_document
from launcher.reports.terminal.runs.run_comparison import compare_text


def compare(arguments: Namespace) -> int:
    """Print the differences of two runs."""
    with existing_ledger(arguments) as ledger:
        runs = [ledger.runs.find(name) for name in (arguments.one, arguments.other)]
        one, other = (
            report_document(current_report(ledger, run, arguments.runs, prices=False, vectors=False))
            for run in runs
        )
    vectors = None
    if arguments.vectors:
        from launcher.evaluation.drift import measure_drift  # noqa: PLC0415 - pyarrow, for this option alone
        from launcher.vectors.read_dataset import open_dataset  # noqa: PLC0415 - as above

        vectors = measure_drift(*(open_dataset(run.output, run.id) for run in runs))
    show(compare_runs(one, other, vectors), compare_text, as_json=arguments.json)
    return 0
