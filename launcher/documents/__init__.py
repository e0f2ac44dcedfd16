"""JSON documents that one package makes and another shows, as frozen values, and how a document is written.

Imports: launcher.errors, launcher.money, launcher.format; tasks.metrics.

encode: any document as its JSON object.
status: the document of `status --json`.
launch: the documents of `launch --json`, which is that of `resume`, too, and of `launch --dry-run --json`.
load_status: how far the load of a run into a vector store is.
course: where a steered run stands, and what was decided.
status_metrics: the same as metrics of Prometheus.
truncation: what truncation leaves out, where that is much.
evaluation: the document of `evaluate --json`.
drift: the vectors of two runs in the document of `compare --json`.
serve_write: the document of `serve --write --json`.
serve_check: the document of `serve --check --json`.
bench: the document of `bench --json`.
simulation: the document of `simulate --json`.
replay: the document of `simulate --replay RUN --json`.
"""
