"""From a job and a price book to a Plan; plans as files, and how two of them differ.

Imports: corpus, throughput, ledger, jobs, files, format, errors, money; pricing, tasks.

planner: makes a Plan: inspects the corpus, finds candidates, lets the optimizer decide.
request: what a plan is asked for: the job, the options of the command line, checks.
model_support: which engines compute the model.
this_machine: this machine as a way to do the job, measured.
candidates: offers of the price book as candidates, each with speed, cold start and costs.
price_book: which price book a command uses.
price_check: whether a plan's prices still hold when it is launched.
estimate: hours and dollars of a fleet, item by item.
monte_carlo: P10 and P90 of hours and dollars, by draws with a seed.
optimizer: which fleet to take.
hosted_apis: hosted embedding APIs as an alternative to a fleet.
plan: the Plan, and how it becomes a SavedPlan.
saved_plan: the types of plan.json.
plan_file: reads and writes plan.json.
plan_reader: the planned figures that a report compares a run with.
plan_diff: what differs between two plans.
plan_diff_document: the types of the document of `diff --json`.
run_setup: what a plan says about the speeds of its run.
silence: discards what the solver prints.
"""
