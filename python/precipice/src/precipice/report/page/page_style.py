# SPDX-License-Identifier: Apache-2.0
"""What a page's pictures and tables share. The style sheet: one column that fits a phone, tables that become lists there, and
what is printed. And the letters, marks and clipping boxes of its pictures."""

from typing import Dict, Mapping, Sequence

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; color: #222;
  background: #fff; margin: 0 auto; padding: 1rem 1.25rem 3rem; max-width: 66rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
p { margin: 0.5rem 0; }
a { color: #0b57a4; }
section, details { scroll-margin-top: 0.5rem; }
nav ul { columns: 16rem; column-gap: 2rem; list-style: none; margin: 0.3rem 0; padding: 0; }
nav li { break-inside: avoid; padding: 0.15rem 0; }
.lead { font-size: 1.05rem; }
.headline { font-size: 1.02rem; padding-left: 1.2rem; margin: 0.6rem 0; } .headline li { margin: 0.25rem 0; }
.alert { border-left: 4px solid #D55E00; padding: 0.1rem 0 0.1rem 0.8rem; }
figure { margin: 0.5rem 0 0; }
figure svg *, .shared * { stroke-linejoin: round; stroke-linecap: butt; }
.shared { position: absolute; }
.panels { display: grid; gap: 0.8rem 1rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, max(var(--least), 100% / var(--most) - 1rem)), 1fr)); }
.panels > * { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1.3rem; list-style: none; margin: 0.3rem 0 0.6rem; padding: 0;
  font-size: 0.9rem; }
.legend li { display: flex; align-items: center; gap: 0.45rem; min-width: 0; }
.legend svg { flex: none; }
figcaption, .note { font-size: 0.875rem; color: #444; margin-top: 0.5rem; max-width: 46rem; }
code { font: 0.85em/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; margin: 1rem 0; }
dt { color: #555; } dd { margin: 0; min-width: 0; }
details { border-top: 1px solid #ddd; margin: 0.8rem 0 0; padding-top: 0.4rem; }
summary { cursor: pointer; font-weight: 600; padding: 0.2rem 0; }
summary h2 { display: inline; margin: 0; font-size: 1.1rem; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; margin: 0.6rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.2rem; }
th, td { padding: 0.25rem 0.8rem 0.25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
td { min-width: 2.5rem; }
thead th { color: #555; font-weight: 600; border-bottom: 2px solid #999; vertical-align: bottom; overflow-wrap: normal; }
tbody th { font-weight: 600; }
.n { text-align: right; }
.verdict { font-weight: 600; white-space: nowrap; }
.verdict.yes { color: #00674b; } .verdict.no { color: #a33b00; } .verdict.open { color: #555; }
@media (min-width: 56.01rem) { td.n { white-space: nowrap; } }
@media (max-width: 56rem) {
  body { padding: 0.7rem 0.75rem 2rem; }
  table, tbody, caption { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; padding: 0.4rem 0; border-bottom: 1px solid #ddd; }
  th, td { border: 0; padding: 0; text-align: left; min-width: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-of) " "; color: #666; }
}
@media (max-width: 40rem) { dl { grid-template-columns: 6.2rem 1fr; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; margin-top: 1.2rem; } figure, tr { break-inside: avoid; } table { font-size: 7pt; }
  nav { display: none; }
  details::details-content { content-visibility: visible; }
}
"""


def shared_definitions(pictures: Sequence[Mapping[str, str]]) -> str:
    """What each picture of the page refers to by id (style.Picture.definitions), each once: ids are hashes of what they are."""
    every: Dict[str, str] = {}
    for definitions in pictures:
        every.update(definitions)
    if not every:
        return ""
    body = "\n".join(every.values())
    return f'<svg width="0" height="0" class="shared" aria-hidden="true"><defs>\n{body}\n</defs></svg>'
