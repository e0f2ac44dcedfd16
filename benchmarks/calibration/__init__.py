"""`make bench-calibration`: what a plan forecasts, beside what simulated runs then show, as one JSON object.

__main__: the runs of both halves of the markets, and their figures.
steered: the first forecast of the autopilot: hours, dollars, on demand's share, and the chance to be late.
static: the chance that a planned fleet is late where it is not steered.
bins: what was said and what was seen, in bins with the interval of what was seen.
"""
