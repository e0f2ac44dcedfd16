"""What commands print on a terminal, made with rich, one module for each command.

Imports: the modules of `launcher.reports` but html, markdown and focus_csv; the documents of `launcher.planning`,
`costs`, `output`, `throughput` and `documents`; `launcher.format`; `pricing`.

report: `report`, and the end of `launch`.
run_list: `report --all`.
reconcile: `report --reconcile`.
run_comparison: `compare`.
plan: `plan`, and before `launch`.
plan_diff: `diff`.
status: `status`.
verify: `verify`.
speed: `speed`.
prices: `prices`.
benchmark: `bench`.
tables: tables with words to the left and figures to the right.
"""
