# SPDX-License-Identifier: Apache-2.0
"""The page: one HTML file without references to anything outside it, readable on a phone and on paper."""

import html
from collections import Counter
from typing import Any, Dict, List, Sequence

from report_lib.analysis import Analysis
from report_lib.analysis_tables import analysis_html
from report_lib.grouping import Sweep
from report_lib.results import Results
from report_lib.run_files import FINISHED, Run
from report_lib.style import Picture
from report_lib.tables import run_table, summary_table

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; color: #222;
  background: #fff; margin: 0 auto; padding: 1rem; max-width: 60rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
figure { margin: 0; }
.wide { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.wide img { display: block; height: auto; max-width: none; }
figcaption, .note { font-size: 0.875rem; color: #444; margin-top: 0.4rem; }
code { font: 0.85em/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; margin: 1rem 0; }
dt { color: #555; } dd { margin: 0; min-width: 0; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem 0.25rem 0; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid #ddd; }
td:last-child { white-space: normal; min-width: 5rem; }
th { color: #555; font-weight: 600; border-bottom: 2px solid #999; }
.n { text-align: right; }
@media (max-width: 40rem) { body { padding: 0.7rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.4rem; } }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; margin-top: 1.2rem; } section, tr { break-inside: avoid; } table { font-size: 7pt; }
  .wide { overflow: visible; }
  .wide img { width: auto !important; min-width: 0 !important; max-width: min(100%, 14.5cm) !important; }
  .wide img { max-height: 20cm; }
  th, td { padding-right: 0.4rem; }
}
"""



def build_page(results: Results, sweep: Sweep, pictures: Sequence[Picture], analysis: Analysis) -> str:
    name, runs = results.name, results.runs
    basis = basis_text(results)
    parts = [
        f"<h1>{escape(name)}</h1>",
        f"<p>{escape(state_counts(runs))}</p>",
        provenance(results, sweep),
        notes(results),
    ]
    for picture in pictures:
        parts.append(figure(picture, basis))
    parts += [
        "<h2>By format and learning rate</h2>",
        summary_table(sweep, analysis),
        f'<p class="note">{SUMMARY_NOTE}</p>',
        f'<p class="note">{basis}</p>',
        analysis_html(analysis),
        "<h2>All runs</h2>",
        run_table(runs, sweep),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}: precipice report</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


SUMMARY_NOTE = (
    "Losses are final validation losses in nats per token. Diverged: n of the N runs that ended, with the 95% Wilson "
    "interval of the fraction. Median: over all runs that ended, a diverged one counting as its initial loss; "
    "“diverged” where half or more did. Lowest and highest: of the runs that did not diverge."
)


def escape(text: Any) -> str:
    """For HTML text and attributes; control characters are dropped."""
    return html.escape("".join(c for c in str(text) if c.isprintable() or c in "\n\t"))


def figure(picture: Picture, basis: str) -> str:
    # Below its natural width the figure scrolls instead of shrinking to unreadable labels; wider, it fills the column.
    least = round(picture.width * 0.72)
    return (
        f"<section>\n<h2>{escape(picture.title)}</h2>\n<figure>\n"
        f'<div class="wide"><img src="{picture.uri}" alt="{escape(picture.title)}" '
        f'style="width:100%;min-width:{least}px;max-width:{picture.width * 115 // 100}px"></div>\n'
        f"<figcaption>{escape(picture.caption)} {basis}</figcaption>\n</figure>\n</section>"
    )


def state_counts(runs: Sequence[Run]) -> str:
    counts = Counter(run.state for run in runs)
    first = [state for state in FINISHED if state in counts]
    states = ", ".join(f"{counts[state]} {state}" for state in first + sorted(set(counts) - set(first)))
    return f"{len(runs)} run{'s' if len(runs) != 1 else ''}: {states}."


def basis_text(results: Results) -> str:
    """What stands under every picture: seeds, runs, steps, command. HTML."""
    runs = results.runs
    seeds = sorted({str(run.seed) for run in runs if run.seed != ""}, key=lambda seed: (len(seed), seed))
    steps = sorted({run.config["train.steps"] for run in runs if isinstance(run.config.get("train.steps"), int)})
    parts = [f"{len(runs)} runs" if len(runs) != 1 else "1 run"]
    if seeds:
        listed = ", ".join(seeds) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]}"
        parts.append(f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''} ({listed})")
    if steps:
        parts.append(f"{' or '.join(map(str, steps))} steps each")
    return f"{escape(', '.join(parts))}. Command: {command_html(results)}."


def command_html(results: Results) -> str:
    return f"<code>{escape(results.command)}</code>" if results.command else "not recorded"


def provenance(results: Results, sweep: Sweep) -> str:
    runs = results.runs
    entries: Dict[str, str] = {"Command": command_html(results)}
    for title, name in (
        ("Commit", "commit"),
        ("Version", "program_version"),
        ("libtorch", "libtorch_version"),
        ("Processor", "cpu_model"),
        ("Data SHA-256", "data_sha256"),
    ):
        values = sorted({str(run.attributes[name]) for run in runs if run.attributes.get(name) not in (None, "")})
        if values:
            entries[title] = code_list(values)
    entries["Model"] = escape(model_text(runs, sweep))
    if sweep.entropy_floors:
        floors = ", ".join(f"{floor:g}" for floor in sweep.entropy_floors)
        entries["Entropy floor"] = escape(f"{floors} nats per token")
    if sweep.varying:
        entries["Varied"] = code_list(["optimizer.lr"] * (len(sweep.rates) > 1) + sweep.varying)
    rows = "\n".join(f"<dt>{title}</dt><dd>{text}</dd>" for title, text in entries.items() if text)
    return f"<dl>\n{rows}\n</dl>"


def model_text(runs: Sequence[Run], sweep: Sweep) -> str:
    config: Dict[str, Any] = next((run.config for run in runs if run.config), {})
    words = (
        ("model.layers", "{} layers"),
        ("model.width", "width {}"),
        ("model.heads", "{} heads"),
        ("model.context", "context {}"),
        ("train.batch", "batches of {}"),
        ("optimizer.kind", "{}"),
        ("data.source", "data: {}"),
        ("data.path", "{}"),
    )
    return ", ".join(
        text.format(config[key])
        for key, text in words
        if config.get(key) not in (None, "") and key not in sweep.varying
    )


def notes(results: Results) -> str:
    """Every run without a result, by name: nothing is left out silently."""
    alike: Dict[str, List[str]] = {}
    for run in results.runs:
        if not run.ended:
            step = f" after {run.steps_done} steps" if run.steps_done else ""
            why = "; ".join(part for part in (run.reason, run.problem) if part)
            alike.setdefault(f"{run.state}{step}{': ' + why if why else ''}", []).append(run.id)
    items = [f"<li>{code_list(names)}: {escape(text)}</li>" for text, names in alike.items()]
    text = "<h2>Runs without a result</h2>\n<ul>\n" + "\n".join(items) + "\n</ul>" if items else ""
    if results.left_out:
        text += f"\n<p>Not in this report, since sweep.toml does not list them: {code_list(results.left_out)}.</p>"
    if results.stale_index:
        text += "\n<p><code>index.h5</code> is older than these runs; <code>precipice merge</code> writes it anew.</p>"
    return text


def code_list(names: Sequence[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)
