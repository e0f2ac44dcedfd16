"""The SQLite file that remembers every run, machine, price and shard this laptop has seen.

Imports: launcher.files, launcher.documents, launcher.errors, launcher.format, launcher.money, tasks.

ledger: the facade that opens a file and holds its parts.
database: connections, transactions, and SQLite's errors as messages for the user.
damage: what a damaged ledger is, and what to do about one.
upgrade: brings a file to the newest layout with the numbered SQL files in migrations/.
records: what is read from the ledger, as frozen values, and the allowed state changes.
tables: the definition of each table, made from the records, and how values are stored.
runs: runs and their history of events.
shards: shards, receipts, progress and observed leases.
machines: machines, from intent to end, and their lives.
run_copy: one run as a file of its own, and back into another ledger.
costs: observed prices, other charges and budgets.
notes: notes and tags of runs, as the user writes them.
notifications: messages to send, and what became of each.
speeds: measured throughputs.
outcomes: finished runs, plan beside actual.
steering: what steered runs asked of places and decided, deadlines, and prices of places.
steering_records: the records of steering, as frozen values.
models: SQLModel classes of the tables, for queries of your own; no command imports it.
"""
