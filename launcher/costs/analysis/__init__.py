"""Why a run cost what it did: beside its plan, beside other ways, and beside the least in hindsight; pure.

Imports: `launcher.costs.usage`, `launcher.planning`, `money`.

waterfall: the difference between planned and actual cost, by cause.
counterfactuals: what the same work would have cost in another way.
hindsight: the least that a steered run could have paid in the places and hours that it saw.
plan_accuracy: planned and measured speed and start time, and the error of the plan's cost.
"""
