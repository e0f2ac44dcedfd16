"""The HTML pages of reports and plans, each one file without scripts or requests; charts are inline SVG.

Imports: the modules of `launcher.reports` but terminal, markdown and focus_csv; `launcher.planning.saved`, `jobs`,
`format`. The style sheets are report.css, plan.css, simulation.css and live.css.

elements: HTML elements, tables and sections; escapes every text.
stylesheet: the CSS files of this package, read once.
live: the pages of `embedfleet ui`, with their script live.js and icon.svg.
simulation: the page of a simulation.
svg: charts as inline SVG.
plan_page: the page of a plan and its sections.
report_page: the page of a report and its sections.
plan_text: machines, places and ranges of a plan in a few words.
"""
