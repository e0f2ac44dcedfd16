"""What commands print on a terminal, made with rich, one module for each command.

Imports: the modules of `launcher.reports` but html, markdown and focus_csv; the documents of `launcher.planning`,
`costs`, `output`, `evaluation`, `loading`, `throughput`, `index_sizes` and `documents`; `launcher.format`; `pricing`.

report: `report`, and the end of `launch`.
run_list: `report --all`.
reconcile: `report --reconcile`.
run_comparison: `compare`.
status: `status`.
course: where a steered run stands, in `status`.
verify: `verify`.
evaluate: `evaluate`.
serve_check: `serve --check`.
serve_write: `serve --write`.
simulation: `simulate`.
load: `load`.
speed: `speed`.
index_sizes: `size`.
prices: `prices`.
price_changes: `prices refresh`.
benchmark: `bench`.
truncation: the warning about truncation, on all of these.
tables: tables with words to the left and figures to the right.
plans: what `plan` and `diff` print.
"""
