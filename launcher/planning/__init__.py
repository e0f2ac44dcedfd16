"""Makes a Plan of a job and a price book; saves plans, and compares two of them.

Imports: corpus, throughput, index_sizes, ledger, jobs, steering, files, format, errors, money; pricing, tasks.

planner: inspects the corpus, finds candidates, lets the optimizer decide.
assemble: makes the Plan of what was decided, beside what else there is.
request: what a plan is asked for: the job, the options of the command line, checks.
sink_cost: what the vector store of a job costs, and embedding and loading in all.
planned_vectors: how many vectors of which shape a job will give.
model_support: which engines compute the model.
engine_choice: the engine of rented machines, by what was measured.
precision: whether this machine computes in a reduced precision.
precision_loss: what a reduced precision loses on the corpus, measured.
reach: what rented machines can see of a job, and the upload that makes them see it.
this_machine: this machine as a way to do the job, measured.
optimizer: which fleet to take.
plan: the Plan, and how it becomes a SavedPlan.
pilot_machine: which machine a pilot gets, and what it costs an hour.
silence: discards what the solver prints.
saved: plan.json: its types, reading, writing, and how two differ.
estimates: hours and dollars, item by item, with their spread and what they leave out.
offers: offers of the price book as candidates, their quotas, and whether prices still hold.
steering: envelope and forecast of a steered fleet.
"""
