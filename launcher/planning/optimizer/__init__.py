"""Find the cheapest fleet that keeps deadline, budget and quota at P90; pure.

Imports: planning.estimates, throughput.spread, errors, format, money; pricing.account; numpy, highspy.

decide: the decision: chosen fleet, frontier, alternatives, and which limits bind.
search: fleets that keep the limits at P90: for a deadline, over all deadlines, in parts of the market.
solver: one choice of whole machines: the cheapest for a deadline.
relaxation: fractions of machines, a lower bound on the cost.
work_shares: how machines of a fleet share the work.
nearby_fleets: a cheaper fleet near one that was found.
whole_machines: whole machines: one candidate, rounded fractions, mixed-integer programming.
fleet_over_time: the cheapest fleet over time in a market that is known.
highs: programs for HiGHS.
thresholds: the shortest deadline, the least budget, the fewest machines and the least quota with which there is a fleet.
market: candidates as columns of numbers, limits as rows.
infeasible: why no fleet keeps the limits, and the nearest value that would do.
"""
