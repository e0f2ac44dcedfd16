"""The page of a plan and its sections.

Imports: launcher.reports.plans and report_json; launcher.reports.html: elements, stylesheet, plan_text, svg,
report_page; launcher.planning, corpus, jobs, documents, format, money.

plan: the page of a plan.
plan_alternatives: its sections on other fleets: frontier, hosted APIs, each machine type alone.
plan_job: its sections on the job, quotas and prices.
plan_steering: how the fleet will be steered, and all that may be rented.
"""
