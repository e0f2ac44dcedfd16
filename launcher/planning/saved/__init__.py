"""The types of plan.json, how it is read and written, and how two plans differ.

Imports: `launcher.planning.estimates` (past runs, store costs), `throughput`, `files`, `format`.

saved_plan: the types of plan.json.
saved_alternatives: those of what the plan considered and did not choose.
steering_plan: the types of the section `steering` of plan.json.
plan_file: reads and writes plan.json.
plan_reader: the planned figures that a report compares a run with.
plan_diff: what differs between two plans.
plan_diff_document: the types of the document of `diff --json`.
run_setup: what a plan says about the speeds of its run.
"""
