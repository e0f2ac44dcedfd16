"""The HTML pages of reports and plans, each one file without scripts or requests; charts are inline SVG.

Imports: the modules of `launcher.reports` but terminal, markdown and focus_csv; `launcher.planning.saved_plan`, `jobs`,
`format`. The style sheets are report.css and plan.css.

elements: HTML elements, tables and sections; escapes every text.
stylesheet: the CSS files of this package, read once.
report: the page of a report.
report_costs: its sections on money: waterfall, dollars over time, places, counterfactuals.
report_machines: its sections on machines: timeline and costs.
plan: the page of a plan.
plan_alternatives: its sections on other fleets: frontier, hosted APIs, each machine type alone.
plan_job: its sections on the job, quotas and prices.
plan_text: machines, places and ranges of a plan in a few words.
charts: tokens per second over time, a bar in parts, the timeline of machines.
cost_charts: dollars and machines over time, preemptions, waterfall, comparison bars.
frontier_chart: hours against dollars of many fleets.
"""
