"""Simulates runs on recorded or generated spot markets: what a policy would cost, and how often it would be late.

Imports: `launcher.fleet` and below; never `launcher.cli` or `reports`. Everything but trace_files and catalog is pure,
with its own clock and seeded draws.

traces: how many machines each place could give, minute by minute.
trace_files: reads traces from CSV and Parquet files.
scenario: the kinds of machines, the work and the limits of a simulation; how a simulated run ended.
market: the machines and prices of one run, cut from traces.
replayed_cloud: a simulated cloud with its own clock.
policies: what a policy sees and gives back; the product's static policy.
steered_policy: the product's steered policy, fed with what a launcher would know.
rivals: published policies to compare with: greedy, Uniform Progress, on demand.
machine_lines: how far each machine is with an equal share of the work.
safety_net: when machines on demand must start, for all rivals: the product's margin, without its reserve.
simulate: many runs of several policies, and their statistics.
plan_scenario: from a saved plan to what is simulated.
stand_ins: which recorded place stands in for which kind.
catalog: the traces that come with embedfleet, by name.
synthetic: generated markets.
one_run: one simulated run of one policy.
replay: the decisions of a finished run, made again.
hindsight: the least that a run could have cost, as a linear program.
"""
