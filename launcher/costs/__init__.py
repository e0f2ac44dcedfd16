"""What a run cost and will cost: metering, budget, forecast, bills, and comparison with the plan.

Imports: `launcher.planning`, `throughput`, `jobs`, `ledger`, `errors`, `money`, `tasks.protocol`, `pricing`. All modules
are pure but run_costs, which reads the ledger.

run_costs: read a run from the ledger, and compute what it has spent.
run_rates: time, speed, cost per token and time left of a run: one definition for every screen.
budget: compare what is spent and committed with the budget: go on, hold or stop.
shared_spend: the money of a run over all launchers that ever drove it.
forecast: the total cost of a run that is not done.
usage: metering: every second of every machine, by part and priced.
analysis: the cost beside the plan, other ways and hindsight.
bills: bills of clouds beside the metered cost.
"""
