"""The style sheets of the report's and the plan's page: calm, light and dark, readable on a phone and on paper.

Knows the classes that `page`, `planpage`, `chart` and `frontier` use and nothing of what they show. Colours were chosen
to stand at least 3:1 against their ground and to be told apart without seeing red and green.
"""

LIGHT = """
  --ground: #f5f5f2; --card: #ffffff; --ink: #1b1f24; --soft: #59616b; --line: #e2e3de; --faint: #eeeeea;
  --accent: #0b7a70; --bad: #c0362c; --good: #0b7a70;
  --useful: #14948a; --lost: #d1453b; --cold_start: #4a78c2; --waiting: #b98216; --idle: #868e98; --teardown: #8463b8;
  --p0: #14948a; --p1: #4a78c2; --p2: #b98216; --p3: #8463b8; --p4: #c2558f; --p5: #5f8a2d; --p6: #b3603a; --p7: #868e98;
"""
DARK = """
  --ground: #111417; --card: #1a1e22; --ink: #e8eaed; --soft: #a1a9b3; --line: #2d3339; --faint: #23282d;
  --accent: #3fc4b5; --bad: #ff8a80; --good: #3fc4b5;
  --useful: #2fae9f; --lost: #f0695f; --cold_start: #6f9ce6; --waiting: #d8a33c; --idle: #8b949e; --teardown: #a98be0;
  --p0: #2fae9f; --p1: #6f9ce6; --p2: #d8a33c; --p3: #a98be0; --p4: #e08bbb; --p5: #9dbf5a; --p6: #d98d66; --p7: #8b949e;
"""

SHEET = f"""
:root {{ color-scheme: light dark; {LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--ground); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
main, header, footer {{ max-width: 1080px; margin: 0 auto; padding: 0 20px; }}
header {{ padding-top: 40px; padding-bottom: 8px; }}
footer {{ padding-top: 8px; padding-bottom: 40px; color: var(--soft); font-size: 13px; }}
h1 {{ font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; overflow-wrap: anywhere; }}
h2 {{ font-size: 17px; margin: 0 0 4px; }}
p {{ margin: 0 0 10px; max-width: 75ch; overflow-wrap: anywhere; }}
.eyebrow, dt, th {{ color: var(--soft); font-size: 12.5px; font-weight: 500; }}
.eyebrow {{ margin-bottom: 4px; }}
.note {{ color: var(--soft); font-size: 13.5px; }}
.lede {{ font-size: 17px; margin: 14px 0 6px; }}
.pill {{ display: inline-block; padding: 1px 10px; border: 1px solid currentColor; border-radius: 99px;
  font-size: 12.5px; font-weight: 600; color: var(--accent); }}
.pill.failed {{ color: var(--bad); }}
section {{ background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
  margin: 16px 0; break-inside: avoid; }}
.cards {{ display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 1px; margin: 16px 0;
  border: 1px solid var(--line); border-radius: 12px; overflow: hidden; background: var(--card); }}
.cards div {{ padding: 14px 18px; box-shadow: 0 0 0 1px var(--line); }}
dd {{ margin: 2px 0 0; font-size: 22px; font-weight: 600; letter-spacing: -0.01em; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }}
dd.bad {{ color: var(--bad); }}
.scroll {{ overflow-x: auto; margin: 10px 0 0; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; padding: 6px 0 6px 20px; border-top: 1px solid var(--faint); vertical-align: top; }}
td {{ white-space: nowrap; }}
thead th {{ border-top: 0; padding-top: 0; white-space: nowrap; }}
th:first-child, td:first-child, .left {{ text-align: left; }}
th:first-child, td:first-child {{ padding-left: 0; }}
tbody th {{ color: var(--ink); font-size: inherit; font-weight: 400; white-space: nowrap; }}
b {{ font-weight: 600; }}
tbody .wide {{ white-space: normal; overflow-wrap: anywhere; min-width: 12em; }}
ul {{ margin: 8px 0 0; padding-left: 18px; overflow-wrap: anywhere; }}
svg {{ display: block; width: 100%; min-width: 680px; height: auto; }}
svg text {{ fill: var(--soft); font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }}
svg text.name {{ fill: var(--ink); }}
svg text.halo {{ paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }}
svg .grid {{ stroke: var(--faint); }}
svg .axis {{ stroke: var(--line); }}
svg .area {{ fill: var(--useful); fill-opacity: 0.16; }}
svg .curve {{ fill: none; stroke: var(--useful); stroke-width: 2; stroke-linejoin: round; }}
svg .plan {{ stroke: var(--soft); stroke-dasharray: 5 4; }}
svg .open {{ fill: var(--useful); fill-opacity: 0.45; }}
svg .life {{ fill: var(--faint); }}
svg .useful {{ fill: var(--useful); }} svg .lost {{ fill: var(--lost); }} svg .waiting {{ fill: var(--waiting); }}
svg .idle {{ fill: var(--idle); }} svg .teardown {{ fill: var(--teardown); }}
svg .cold_start {{ fill: url(#hatch); }}
svg .hatch-ground {{ fill: var(--cold_start); fill-opacity: 0.25; }}
svg .hatch-line {{ stroke: var(--cold_start); stroke-width: 3; }}
svg.key {{ display: inline-block; width: 12px; height: 12px; min-width: 0; margin-right: 8px; vertical-align: -1px; }}
svg.defs {{ position: absolute; width: 0; height: 0; min-width: 0; }}
svg.bar {{ min-width: 0; height: 26px; border-radius: 6px; }}
svg .limit {{ stroke: var(--bad); stroke-dasharray: 2 4; stroke-width: 1.5; }}
svg .whole {{ fill: var(--soft); }} svg .more {{ fill: var(--lost); }} svg .less {{ fill: var(--useful); }}
svg .p0 {{ fill: var(--p0); }} svg .p1 {{ fill: var(--p1); }}
svg .p2 {{ fill: var(--p2); }} svg .p3 {{ fill: var(--p3); }}
svg .p4 {{ fill: var(--p4); }} svg .p5 {{ fill: var(--p5); }}
svg .p6 {{ fill: var(--p6); }} svg .p7 {{ fill: var(--p7); }}
.lesson {{ margin-top: 14px; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 10px 0 0; padding: 0; list-style: none;
  font-size: 13.5px; }}
.barname {{ margin: 12px 0 4px; }}
@media (max-width: 700px) {{
  header {{ padding-top: 24px; }} h1 {{ font-size: 24px; }} .lede {{ font-size: 16px; }}
  main, header, footer {{ padding-left: 12px; padding-right: 12px; }} section {{ padding: 16px 14px; }}
  .cards {{ grid-template-columns: repeat(2, minmax(0, 1fr)); }} .cards div {{ padding: 12px 14px; }}
  dd {{ font-size: 19px; }} th, td {{ padding-left: 14px; }}
}}
@media print {{
  :root {{ color-scheme: light; {LIGHT} --ground: #ffffff; }}
  * {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  body {{ font-size: 9pt; }} dd {{ font-size: 17px; }} th, td {{ padding: 4px 0 4px 12px; }}
  tbody th {{ white-space: normal; }}
  header {{ padding-top: 0; }} h1 {{ font-size: 24px; }} h2 {{ font-size: 15px; }} svg {{ min-width: 0; }}
  section {{ margin: 10px 0; padding: 14px 18px; }} .scroll {{ overflow: visible; }}
}}
"""

# What the plan's page has besides: its own items, the frontier, and tables that go on over pages of paper.
PLAN_LIGHT = "--disk: #8a6d3b; --storage: #5a7d1f; --egress: #b0508a;"
PLAN_DARK = "--disk: #c2a36b; --storage: #9dbf5a; --egress: #e08bbb;"
PLAN_SHEET = f"""{SHEET}
:root {{ {PLAN_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {PLAN_DARK} }} }}
h1 {{ text-wrap: balance; }}
h3 {{ font-size: 14px; margin: 18px 0 0; }}
dd.between {{ color: var(--soft); font-size: 13px; font-weight: 400; letter-spacing: 0; }}
span.between {{ display: block; color: var(--soft); font-size: 12.5px; }}
svg .compute {{ fill: var(--useful); }} svg .preemption {{ fill: var(--lost); }}
svg .idle_tail {{ fill: var(--idle); }} svg .controller {{ fill: var(--teardown); }}
svg .disk {{ fill: var(--disk); }} svg .storage {{ fill: var(--storage); }} svg .egress {{ fill: var(--egress); }}
svg.wide {{ min-width: 0; }} svg.narrow {{ min-width: 0; display: none; }}
svg .spread {{ stroke: var(--useful); stroke-opacity: 0.35; }}
svg .spread.chosen {{ stroke: var(--ink); stroke-opacity: 1; stroke-width: 1.5; }}
svg .point circle {{ fill: var(--card); stroke: var(--useful); stroke-width: 2; }}
svg .point text {{ font-size: 10px; fill: var(--ink); }}
svg .point.over circle {{ stroke: var(--idle); stroke-dasharray: 3 2; }}
svg .point.over text {{ fill: var(--soft); }}
svg .point.chosen circle {{ fill: var(--ink); stroke: var(--ink); stroke-dasharray: none; }}
svg .point.chosen text {{ fill: var(--card); font-weight: 700; }}
section.long {{ break-inside: auto; }}
tr, li {{ break-inside: avoid; }}
h2, .note {{ break-after: avoid; }}
@media (max-width: 700px) {{ svg.wide {{ display: none; }} svg.narrow {{ display: block; }}
  td:not(.left) span.between {{ white-space: normal; }} tbody .wide {{ min-width: 9em; }} }}
@media print {{
  :root {{ {PLAN_LIGHT} }}
  svg.wide {{ display: block; }} svg.narrow {{ display: none; }}
  tbody th {{ white-space: nowrap; }} thead th {{ white-space: normal; }}
  .note {{ break-inside: avoid; }} span.between {{ font-size: 8pt; }}
}}
"""
