"""From a job and a price book to a Plan; plans as files, and how two of them differ.

Imports: corpus, throughput, index_sizes, ledger, jobs, steering, files, format, errors, money; pricing, tasks.

planner: inspects the corpus, finds candidates, lets the optimizer decide.
assemble: makes the Plan of what was decided, beside what else there is.
request: what a plan is asked for: the job, the options of the command line, checks.
sink_cost: what the vector store of a job costs, and embedding and loading in all.
store_costs: what the usual vector stores cost with the planned vectors.
planned_vectors: how many vectors of which shape a job will give.
model_support: which engines compute the model.
precision: whether this machine computes in a reduced precision.
precision_loss: what a reduced precision loses on the corpus, measured.
reach: what rented machines can see of a job, and the upload that makes them see it.
this_machine: this machine as a way to do the job, measured.
quotas: the quotas of a job as limits of its fleet.
usable_offers: which offers a job may use, and at what price.
candidates: offers of the price book as candidates, each with speed, cold start and costs.
price_book: which price book a command uses.
price_check: whether a plan's prices still hold when it is launched.
envelope_prices: the same of a steered plan, for all that it may rent: what moved is repriced.
launching: how many machines start at a time, how long the others wait, which are started.
estimate: hours and dollars of a fleet, item by item.
monte_carlo: P10 and P90 of hours and dollars, by draws with a seed.
past_runs: how earlier plans came true on this laptop, and how that widens the interval.
unpriced: what the dollars of a fleet leave out, and how much that is at most.
optimizer: which fleet to take.
hosted_apis: hosted embedding APIs for a job: price, relation to its model, and what does not fit.
comparison: the choice beside hosted APIs, this machine or the cheapest fleet, draw by draw.
machine_groups: the machines of a fleet in groups, with places and prices; the quota they need.
plan: the Plan, and how it becomes a SavedPlan.
saved_plan: the types of plan.json.
saved_alternatives: those of what the plan considered and did not choose.
quantiles: P10, P50 and P90 of amounts, hours and speeds.
steering_plan: the types of the section `steering` of plan.json.
envelope: what a steered launch may rent.
steering_forecast: what a steered fleet is expected to cost and to take.
plan_file: reads and writes plan.json.
plan_reader: the planned figures that a report compares a run with.
plan_diff: what differs between two plans.
plan_diff_document: the types of the document of `diff --json`.
run_setup: what a plan says about the speeds of its run.
small_charges: requests, public addresses and NAT, which a plan names and does not count.
silence: discards what the solver prints.
"""
