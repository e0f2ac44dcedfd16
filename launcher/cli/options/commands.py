"""Each command of the command line, its options, and the function that carries it out.

A command's module is imported by its name when the command runs: see `COMMANDS`.
"""

import argparse
from collections.abc import Callable

from launcher.cli.options import planning, runs, serving, vectors
from launcher.cli.options.shared import Commands

Handler = Callable[[argparse.Namespace], int]  # carries a command out and returns the exit status

# Each command and its Handler as "module:function".
COMMANDS = {
    "init": "launcher.cli.commands.init:run",
    "plan": "launcher.cli.commands.plan:plan",
    "simulate": "launcher.cli.commands.simulate:simulate",
    "launch": "launcher.cli.commands.launch:launch",
    "runs": "launcher.cli.commands.runs:runs",
    "status": "launcher.cli.commands.status:status",
    "logs": "launcher.cli.commands.logs:logs",
    "report": "launcher.cli.commands.report:report",
    "ui": "launcher.cli.commands.ui:ui",
    "search": "launcher.cli.commands.search:run",
    "evaluate": "launcher.cli.commands.evaluate:run",
    "serve": "launcher.cli.commands.serve:serve",
    "export": "launcher.cli.commands.export:run",
    "load": "launcher.cli.commands.load:run",
    "compare": "launcher.cli.commands.compare:compare",
    "resume": "launcher.cli.commands.resume:resume",
    "pilot": "launcher.cli.commands.pilot:pilot",
    "stop": "launcher.cli.commands.stop:stop",
    "down": "launcher.cli.commands.stop:down",
    "verify": "launcher.cli.commands.verify:run",
    "prices": "launcher.cli.commands.prices:run",
    "speed": "launcher.cli.commands.speed:run",
    "size": "launcher.cli.commands.size:run",
    "bench": "launcher.cli.commands.bench:run",
    "doctor": "launcher.cli.commands.doctor:run",
    "finish": "launcher.cli.commands.finish:run",
    "ledger": "launcher.cli.commands.ledger:run",
    "diff": "launcher.cli.commands.plan:diff",
}


def add_commands(commands: Commands) -> None:
    """Add every command to `commands`, in the order in which `--help` lists them."""
    planning.add_init(commands)
    planning.add_plan(commands)
    planning.add_simulate(commands)
    planning.add_launch(commands)
    runs.add_runs(commands)
    runs.add_status(commands)
    runs.add_logs(commands)
    runs.add_report(commands)
    runs.add_ui(commands)
    vectors.add_search(commands)
    vectors.add_evaluate(commands)
    serving.add_serve(commands)
    vectors.add_export(commands)
    vectors.add_load(commands)
    runs.add_compare(commands)
    runs.add_resume(commands)
    runs.add_pilot(commands)
    runs.add_stop(commands)
    runs.add_down(commands)
    runs.add_verify(commands)
    planning.add_prices(commands)
    planning.add_speed(commands)
    planning.add_size(commands)
    planning.add_bench(commands)
    planning.add_doctor(commands)
    runs.add_finish(commands)
    runs.add_ledger(commands)
    planning.add_diff(commands)
