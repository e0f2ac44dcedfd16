"""Reports of runs and lists of runs and prices: assembled, written as documents, and shown in four formats.

Imports: `launcher.costs`, `planning`, `throughput`, `index_sizes`, `loading`, `evaluation`, `ledger`, `output`, `jobs`,
`documents`, `format`, `money`, `errors`; `pricing`, `tasks`. Never `launcher.fleet`, `bench` or `cli`. Inside: html,
terminal, markdown and focus_csv import assemble, report_json, run_list, run_comparison and price_list, these import
summary and unknowns, and all may import report, sections and document.

plan_outcome: a finished run beside its plan, as the ledger keeps it for later plans.
assemble: the report of a run from the ledger, and failed rows from the store.
report: the value: a run at one moment, next to its plan.
report_json: the document of a report, made and read.
spend_json: of this document, what the run cost and what it would have cost otherwise.
document: the types of report.json.
spend_document: of these, what a run cost.
shard_rows: the shards of a report, a row each, made from columns when they are asked for.
unknowns: the sentences on what a report does not know, or only estimates.
summary: figures ready to be read: plan and run, time and dollars by part.
steering: the section Steering of a report, from the ledger.
plan_markdown: a plan, or the difference of two, in Markdown for a pull request.
markdown: a report, or the list of runs, in Markdown.
focus_csv: a report as CSV with the columns of FOCUS, the open format of bills.
html: the pages of reports and plans.
terminal: the texts that commands print.
plans: what plans say in sentences and small tables, for every format.
lists: lists of runs and of prices, and two runs side by side.
sections: parts of a report that are computed on their own.
"""
