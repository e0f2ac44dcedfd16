"""Reports of runs and lists of runs and prices: assembled, written as documents, and shown in four formats.

Imports: `launcher.costs`, `planning`, `throughput`, `ledger`, `output`, `jobs`, `documents`, `format`, `money`,
`errors`; `pricing`, `tasks`. Never `launcher.fleet`, `bench` or `cli`. Inside: html, terminal, markdown and focus_csv
import assemble, report_json, run_list, run_comparison and price_list, these import summary and unknowns, and all may
import report and document.

assemble: the report of a run from the ledger, and failed rows from the store.
report: the value: a run at one moment, next to its plan.
report_json: the document of a report, made and read.
document: the types of report.json.
unknowns: the sentences on what a report does not know, or only estimates.
summary: figures ready to be read: plan and run, time and dollars by part.
run_list: the runs of a ledger; the document of `report --all --json`.
run_comparison: two runs side by side; the document of `compare --json`.
price_list: filtered and sorted offers; the rows of `prices --json`.
markdown: a report, or the list of runs, in Markdown.
focus_csv: a report as CSV with the columns of FOCUS, the open format of bills.
html: the pages of reports and plans.
terminal: the texts that commands print.
"""
