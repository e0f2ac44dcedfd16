"""What a run cost and will cost: metering, budget, forecast, bills, and comparison with the plan.

Imports: `launcher.planning`, `throughput`, `jobs`, `ledger`, `errors`, `money`, `tasks.protocol`, `pricing`. All modules
are pure but run_costs, which reads the ledger.

machine_time: the inputs of metering: lives of machines, and leases.
work_done: what receipts say of the work of a run, in columns.
lease_outcomes: which leases produced no receipt, and when they ended.
attribution: which part (useful, lost, cold start ...) each moment of a worker belongs to.
metering: every second of every machine, attributed to a part and priced.
spend: the output of metering: time and USD by part.
clock_skew: correct the times of workers whose clock is wrong.
other_charges: estimates of egress, requests, storage and the jobs controller.
run_costs: read a run from the ledger, and compute what it has spent.
run_rates: time, speed, cost per token and time left of a run: one definition for every screen.
budget: compare what is spent and committed with the budget: go on, hold or stop.
shared_spend: the money of a run over all launchers that ever drove it.
forecast: the total cost of a run that is not done.
waterfall: the difference between planned and actual cost, by cause.
counterfactuals: what the same work would have cost in another way.
hindsight: the least that a steered run could have paid in the places and hours that it saw.
plan_accuracy: planned and measured speed and start time, and the error of the plan's cost.
daily: the cost of a run by UTC day and service, as bills count it.
cloud_bill: parse the rows of a cloud's bill.
reconcile: compare the metered cost with bills.
time_series: USD spent and machines by place over time, for charts.
"""
