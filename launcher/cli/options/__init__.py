"""The commands of the command line and their options.

Imports: argparse, the standard library, launcher.jobs.paths and durations alone, so that `--help`, a usage error and
shell completion cost nothing.

commands: each command, and the function that carries it out.
planning: commands that plan, launch and compare plans, and what plans rest on: prices, speeds and checks.
runs: commands about runs: their state, reports, end and files, and the ledger that holds them.
vectors: commands about the vectors of a run.
serving: the command `serve`.
shared: options that several commands have.
types: types of the options' values: paths, amounts, seconds, names and times.
"""
