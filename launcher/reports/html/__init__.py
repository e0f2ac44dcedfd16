"""The HTML pages of reports and plans, each one file without scripts or requests; charts are inline SVG.

Imports: the modules of `launcher.reports` but terminal, markdown and focus_csv; `launcher.planning.saved`, `jobs`,
`format`. The style sheets are report.css, plan.css, simulation.css and live.css.

elements: HTML elements, tables and sections; escapes every text.
stylesheet: the CSS files of this package, read once.
report: the page of a report.
report_costs: its sections on money: waterfall, dollars over time, places, counterfactuals.
report_machines: its sections on machines: timeline, speeds and costs.
report_steering: how the run was steered.
report_texts: its sections on texts and vectors: lengths, failed rows, health and map of the vectors.
quality_charts: the histogram of lengths and the map of vectors.
live: the pages of `embedfleet ui`, with their script live.js and icon.svg.
plan: the page of a plan.
plan_alternatives: its sections on other fleets: frontier, hosted APIs, each machine type alone.
plan_job: its sections on the job, quotas and prices.
plan_steering: how the fleet will be steered, and all that may be rented.
plan_text: machines, places and ranges of a plan in a few words.
charts: tokens per second over time, a bar in parts, the timeline of machines.
cost_charts: dollars and machines over time, preemptions, waterfall, comparison bars.
simulation: the page of a simulation.
simulation_charts: lines of several policies over time.
frontier_chart: hours against dollars of many fleets.
"""
