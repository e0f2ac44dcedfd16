"""The rules that order machines or let them go, one module each; `launcher.steering.decide` asks them in turn.

Imports: the modules of `launcher.steering` but decide; `launcher.money`, `format`. Pure.

moves: moves to cheaper places, and machines that cost too much.
canary: one machine on demand that measures the speed where spot has none from the start.
on_demand: when on-demand machines start, and which machines may go.
budget_rules: the budget against the deadline.
"""
