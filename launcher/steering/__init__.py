"""Autoscaling by deadline and budget: what to rent, how many, where, and when to fall back to on-demand.

Imports: `launcher.money`, `format`, and `tasks.skypilot_task` for places. Pure: `launcher.fleet.scheduling.policy`
asks it at every look of a steered run.

decide: one look, from the situation to a verdict.
forecast: what a run is expected to cost and to take from now on.
level: the market at one look, and the level that a token may cost.
reconciliation: one look under way: what is held, asked for and let go.
machine_index: the machines of a look by kind and phase.
room: how many more machines may be held.
safety_net: whether on-demand machines alone would still keep the deadline.
pace: the speed of machines, planned first, then measured.
course: what was decided at one look, and what is expected.
situation_text: a situation as text that a ledger keeps.
situation: what steering decides by: market, machines, work, money, time.
orders: what a policy may order.
market: what spot places and on demand are believed to give.
rules: the rules that order machines or let them go.
"""
