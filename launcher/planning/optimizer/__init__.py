"""Find the cheapest fleet that keeps deadline, budget and quota at P90; pure.

Imports: planning.estimate, planning.monte_carlo, throughput.spread, errors, money; numpy, scipy.

decide: the decision: chosen fleet, frontier, alternatives, and which limits bind.
search: fleets that keep the limits at P90: for a deadline, over all deadlines, in parts of the market.
solver: one choice of whole machines by linear and mixed-integer programming (HiGHS).
market: candidates as columns of numbers, limits as rows.
infeasible: why no fleet keeps the limits, and the nearest value that would do.
"""
