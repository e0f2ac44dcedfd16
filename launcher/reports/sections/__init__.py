"""Parts of a report that are read or computed on their own, from the ledger, the store or the report itself.

Imports: `launcher.reports.document`; `launcher.costs`, `planning`, `ledger`, `output`, `jobs`, `documents`, `format`,
`errors`; `tasks`.

course_text: where a run stands to its deadline, in sentences.
repeats: what was embedded before the shards, because the corpus repeats it.
run_facts: what was embedded, how, where the vectors are and how to read them.
vector_health: what a sample of the vectors looks like, and a map of them.
run_hindsight: the least that a steered run could have paid, from what it saw.
"""
