"""The money of a run in its store: what was agreed, and what every launcher spent, whatever becomes of a ledger.

Imports: `launcher.costs`, `ledger`, `errors`, `money`, `launcher.fleet.monitoring`, `backends` and below, `tasks`; never
the controller.

agreement: the amounts that were agreed for a run, one object each.
spend_records: what each launcher knows of the run's machines and their cost.
recorded_spend: what launchers recorded and this ledger lacks, as charges for status and reports.
takeover: which machines of launchers that are gone may still cost money.
run_budget: the limit of a run, what is spent, and the allowance of its machines, while a launcher follows it.
"""
