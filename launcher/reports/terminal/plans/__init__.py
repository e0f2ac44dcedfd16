"""What `plan` and `diff` print.

Imports: launcher.reports.plans, launcher.reports.terminal.truncation; launcher.planning, corpus, format, money;
pricing.

plan: `plan --all`, and `plan` to a pipe or a file.
plan_tables: the tables of `plan --all`.
plan_words: corpus, machines and costs of a plan in words.
plan_screen: `plan` on a terminal, and before `launch`: one screen.
plan_diff: `diff`.
"""
