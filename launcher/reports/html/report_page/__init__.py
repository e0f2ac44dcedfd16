"""The page of a report and its sections.

Imports: launcher.reports: document, run_facts, steering, summary; launcher.reports.html: elements, stylesheet,
plan_text, svg; launcher.costs, documents, format; tasks.

report: the page of a report.
report_costs: its sections on money: waterfall, dollars over time, places, counterfactuals.
report_machines: its sections on machines: timeline, speeds and costs.
report_steering: how the run was steered.
report_texts: its sections on texts and vectors: lengths, failed rows, health and map of the vectors.
"""
