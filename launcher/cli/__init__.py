"""The command line: parse the arguments, call the packages below, print the result.

Imports: every package of launcher. A command's module is imported by its name when the command runs, so that `--help`
loads argparse alone.

__main__: `python -m launcher.cli`, the command line without its console script.
main: entry point; runs a command and turns a Problem into two lines and an exit status.
commands: what each command does.
options: every command, its options, and the module that carries it out.
streams: stdout and stderr that are closed, or whose encoding lacks our characters.
console: print results, messages and progress bars.
documents: what some commands print with --json.
progress: the progress line of a run that is being driven.
open_ledger: open the ledger that exists, or say where to look.
agree: what a run may cost, agreed before anything is rented; shared by launch and resume.
confirm: ask before money is spent.
dry_run: what a launch would ask for, of `launch --dry-run`.
drive: drive a run to its end and report it; shared by launch and resume.
watched_run: the run that a command reads, by its name or by its output path.
bill_files: read the files of a cloud's bill for `report --reconcile`.
named_dataset: the dataset that a command line names, by a run or an output path.
sink: the sink of a job, as `load` takes it.
sink_loader: load a run into the job's sink, by a process of its own.
"""

from launcher.cli.main import main

__all__ = ["main"]
