"""The commands, a module for each: read the arguments, call the package that does the work, print the result.

Imports: every package of launcher, and what commands share in launcher.cli. Each is imported by its name when it runs.

init: `init`, a job file from what a folder or bucket holds.
plan: `plan` and `diff`.
simulate: `simulate`, a job's fleet under recorded spot markets.
launch: `launch`, after the question that names the cost.
resume: `resume`, a run goes on, with other limits if asked.
pilot: `pilot`, and what `launch --pilot` and `resume --pilot` do on the laptop.
rented_load: `load --on`, machines that load.
runs: `runs`, the list, notes, tags and `runs rm`.
logs: `logs`, what workers wrote.
status: `status`, once, with --watch, or as metrics.
report: `report`, where every dollar went; `--reconcile` beside a bill.
ui: `ui`, the live page.
evaluate: `evaluate`, nDCG and recall of queries.
serve: `serve`, embeddings and search over HTTP.
serve_check: `serve --check`, a server's vectors beside the run's.
serve_write: `serve --write`, a SkyServe service of the run's model.
export: `export`, vectors as files of other formats.
load: `load`, vectors into a store.
search: `search`, the nearest texts.
compare: `compare`, two runs.
stop: `stop` and `down`.
verify: `verify`, rows counted again and a sample embedded again.
prices: `prices` and `prices refresh`.
speed: `speed`, tokens a second by GPU.
size: `size`, what indexes need and cost in each store.
bench: `bench`, this machine or a GPU measured.
doctor: `doctor`, what would keep a run from working.
finish: `finish`, files of lost leases removed.
ledger: `ledger rebuild`, from what the store holds.
"""
