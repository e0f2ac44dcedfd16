"""What commands print on a terminal, made with rich, one module for each output.

Imports: the modules of `launcher.reports` but html, markdown and focus_csv; the documents of `launcher.planning`,
`costs`, `output`, `evaluation`, `loading`, `throughput`, `index_sizes` and `documents`; `launcher.format`; `pricing`.

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
runs: what the commands about runs print.
"""
