"""The laptop's side of embedfleet: plan a job, rent machines for it, follow and account for its run.

Imports: tasks (what launcher and workers share) and pricing. Each package below imports only packages further down.

cli: the command line, one module per command.
bench: measure how fast this machine embeds.
serve: vectors for queries of a run over HTTP.
ui: the live page of runs, served to a browser on this machine.
diagnostics: the checks of `embedfleet doctor`.
simulator: simulate runs on recorded or generated spot markets.
pilot: drive a run from a small rented machine, so that the laptop may close.
loaders: several rented machines load a run into a vector store.
fleet: rent, watch and end the machines of a run.
reports: show plans, runs and costs on a terminal, as HTML, Markdown or CSV.
costs: meter machine time, charges and budgets; explain what a run cost.
planning: choose the machines for a job, and save the plan.
throughput: how fast a model is on a GPU or a CPU, predicted or measured.
index_sizes: how large vectors become in vector stores, and what that costs.
proposal: propose a job for a corpus, for `embedfleet init`.
corpus: list, sample and shard the input.
jobs: the job file.
loading: load vectors into vector stores.
sinks: addresses of vector stores, and their indexes.
evaluation: how good the vectors of a run are.
vectors: read, search and export the vectors of a dataset.
output: the dataset that a run writes: manifest, verification, garbage.
ledger: the SQLite database of runs on this laptop.
steering: decide what a run rents to keep its deadline and its budget.
files: read and write text files.
documents: JSON documents that two packages share.
errors: the expected failures of a command, each with its exit status.
format: numbers, money and times as people read them.
money: exact arithmetic with dollars.
"""

__version__ = "0.2.0"
