"""Charts as inline SVG, made of elements without a script.

Imports: launcher.reports.html.elements; launcher.format.

charts: tokens per second over time, a bar in parts, the timeline of machines.
cost_charts: dollars and machines over time, preemptions, waterfall, comparison bars.
quality_charts: the histogram of lengths and the map of vectors.
frontier_chart: hours against dollars of many fleets.
simulation_charts: lines of several policies over time.
"""
