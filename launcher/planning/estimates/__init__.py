"""Hours and dollars of a job: of a fleet, of this machine's past, of hosted APIs and of vector stores.

Imports: `launcher.throughput`, `index_sizes`, `ledger`, `money`; `pricing`.

estimate: hours and dollars of a fleet, item by item.
launching: how many machines start at a time, how long the others wait, which are started.
monte_carlo: P10 and P90 of hours and dollars, by draws with a seed.
unpriced: what the dollars of a fleet leave out, and how much that is at most.
past_runs: how earlier plans came true on this laptop, and how that widens the interval.
small_charges: requests, public addresses and NAT, which a plan names and does not count.
store_costs: what the usual vector stores cost with the planned vectors.
hosted_apis: hosted embedding APIs for a job: price, relation to its model, and what does not fit.
comparison: the choice beside hosted APIs, this machine or the cheapest fleet, draw by draw.
quantiles: P10, P50 and P90 of amounts, hours and speeds.
"""
