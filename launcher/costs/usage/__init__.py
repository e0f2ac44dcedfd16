"""Usage metering: every second of every machine of a run, by part, priced at the price of that second; pure.

Imports: `launcher.planning`, `money`, `tasks.protocol`.

machine_time: the inputs of metering: lives of machines, and leases.
work_done: what receipts say of the work of a run, in columns.
lease_outcomes: which leases produced no receipt, and when they ended.
attribution: which part (useful, lost, cold start ...) each moment of a worker belongs to.
metering: every second of every machine, attributed to a part and priced.
spend: the output of metering: time and USD by part.
clock_skew: correct the times of workers whose clock is wrong.
other_charges: estimates of egress, requests, storage and the jobs controller.
daily: the cost of a run by UTC day and service, as bills count it.
time_series: USD spent and machines by place over time, for charts.
"""
