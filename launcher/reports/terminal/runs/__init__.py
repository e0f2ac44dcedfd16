"""What the commands about runs print: their reports, lists, comparisons and state.

Imports: `launcher.reports.terminal.truncation` and `tables`, and what `launcher.reports.terminal` may.

report: `report`, and the end of `launch`.
run_list: `report --all`.
reconcile: `report --reconcile`.
run_comparison: `compare`.
status: `status`.
course: where a steered run stands, in `status`.
verify: `verify`.
"""
