"""Steers a run to its deadline within its budget: what to rent, how many, where, and when to fall back to on-demand.

Imports: `launcher.money`, `format`, and `tasks.skypilot_task` for places. Pure: `launcher.fleet.scheduling.policy`
asks it at every look of a steered run.

decide: one look, from the situation to a verdict.
moves: moves to cheaper places, and machines that cost too much.
canary: one machine on demand that measures the speed where spot has none from the start.
on_demand: when on-demand machines start, and which machines may go.
budget_rules: the budget against the deadline.
forecast: what a run is expected to cost and to take from now on.
level: the market at one look, and the level that a token may cost.
reconciliation: one look under way: what is held, asked for and let go.
machine_index: the machines of a look by kind and phase.
room: how many more machines may be held.
refusals: the chance that on demand is refused when it is needed.
safety_net: whether on-demand machines alone would still keep the deadline.
supply: what spot places may supply until the deadline, and the shadow price.
pace: the speed of machines, planned first, then measured.
beliefs: how often a place takes its machines, and how soon it has some again.
priors: what earlier runs saw of a place, as the belief with which a run begins.
course: what was decided at one look, and what is expected.
situation_text: a situation as text that a ledger keeps.
situation: what steering decides by: market, machines, work, money, time.
orders: what a policy may order.
"""
