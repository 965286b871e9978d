# SPDX-License-Identifier: Apache-2.0
"""The page: one HTML file without references to anything outside it. What the runs led to stands open, with a table of
contents; details are folded. Readable on a phone and on paper."""

from collections import Counter
from typing import Any, Dict, List, Sequence, Tuple

from precipice.report.analysis import Analysis
from precipice.report.tables.analysis_tables import analysis_sections
from precipice.report.tables.claims_table import claims_section
from precipice.report.grouping import RATE, Sweep
from precipice.report.headline import headline
from precipice.html_text import code_list, escape, folded
from precipice.report.page.legend_html import legend_html
from precipice.report.page.page_style import STYLE, shared_definitions
from precipice.runs.results import Results
from precipice.runs.run_files import FINISHED, Run
from precipice.report.figures.style import Picture
from precipice.report.tables.tables import names_table, run_table, summary_table

FOLDED = ("labels", "warnings", "runs")  # sections that are opened at will, beside the figures that say so
MOST_NAMED = 20  # run directories in one sentence

Section = Tuple[str, str, str]  # id, title, HTML

def build_page(
    results: Results, sweep: Sweep, pictures: Sequence[Picture], analysis: Analysis, rates: Sequence[float] = ()
) -> str:
    """`rates`: those that figures of one rate show."""
    name, runs = results.name, results.runs
    sections = page_sections(results, sweep, pictures, analysis)
    closed = {*FOLDED, *(anchor(picture) for picture in pictures if picture.folded)}
    parts = [
        shared_definitions([picture.definitions for picture in pictures]),
        "<header>",
        f"<h1>{escape(name)}</h1>",
        f'<p class="lead">{escape(state_counts(runs))} {escape(basis_text(results))}</p>',
        headline_html(sweep, analysis, rates),
        alerts(results, sweep),
        provenance(results, sweep),
        "</header>",
        contents(sections),
        "<main>",
        *(section_html(section, section[0] in closed) for section in sections),
        "</main>",
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
    "interval of the fraction. Median: in order over all runs that ended, a diverged one behind every number; "
    "“diverged” where half or more did. Lowest and highest: of the runs that did not diverge."
)


CLIFF_NOTE = (
    "Whether a run diverges there is decided by last bits: counts in cells at the cliff depend on the instruction set "
    "and the carrier that these figures were made on."
)


def page_sections(
    results: Results, sweep: Sweep, pictures: Sequence[Picture], analysis: Analysis
) -> List[Section]:
    """In the order of the page; those without anything to show are left out."""
    open_pictures = [picture for picture in pictures if not picture.folded]
    sections = [
        ("without-result", "Runs without a result", without_result(results)),
        ("claims", "Claims", claims_section(analysis.claims)),
        ("names", "Names of formats", names_table(sweep)),
        *((anchor(picture), picture.title, figure(picture)) for picture in open_pictures),
        ("table", "By format and learning rate", summary(sweep, analysis)),
        *analysis_sections(analysis, sweep),
        *((anchor(picture), picture.title, figure(picture)) for picture in pictures if picture.folded),
        ("runs", "All runs", run_table(results.runs, sweep)),
    ]
    return [section for section in sections if section[2]]


def summary(sweep: Sweep, analysis: Analysis) -> str:
    return f'{summary_table(sweep, analysis)}<p class="note">{SUMMARY_NOTE}</p>' if sweep.cells else ""


def anchor(picture: Picture) -> str:
    return "figure-" + picture.name.replace("_", "-")


def section_html(section: Section, closed: bool) -> str:
    identity, title, body = section
    if closed:
        return f'<details id="{identity}">\n<summary><h2>{escape(title)}</h2></summary>\n{body}\n</details>'
    return f'<section id="{identity}">\n<h2>{escape(title)}</h2>\n{body}\n</section>'


def contents(sections: Sequence[Section]) -> str:
    items = "\n".join(f'<li><a href="#{identity}">{escape(title)}</a></li>' for identity, title, _ in sections)
    return f'<nav aria-label="Contents">\n<ul>\n{items}\n</ul>\n</nav>'


def figure(picture: Picture, folder: str = "figures/") -> str:
    """`folder`: of its files."""
    pieces = "\n".join(picture.pieces)
    # Four panels stand two by two, others up to three in a row, as many as fit at the size of their text.
    layout = f"--least:{picture.least_width}px;--most:{2 if len(picture.pieces) == 4 else 3}"
    files = f"{folder}{picture.name}.svg and .png"
    return (
        f'<figure>\n{legend_html(picture.legend)}\n<div class="panels" style="{layout}">\n{pieces}\n'
        f"</div>\n<figcaption>{escape(picture.caption)} Files: {escape(files)}.</figcaption>\n</figure>"
    )


def state_counts(runs: Sequence[Run]) -> str:
    counts = Counter(run.state for run in runs)
    first = [state for state in FINISHED if state in counts]
    states = ", ".join(f"{counts[state]} {state}" for state in first + sorted(set(counts) - set(first)))
    return f"{len(runs)} run{'s' if len(runs) != 1 else ''}: {states}."


def basis_text(results: Results) -> str:
    """Seeds and steps of the runs."""
    runs = results.runs
    seeds = sorted({str(run.seed) for run in runs if run.seed != ""}, key=lambda seed: (len(seed), seed))
    steps = sorted({run.config["train.steps"] for run in runs if isinstance(run.config.get("train.steps"), int)})
    parts = []
    if seeds:
        listed = ", ".join(seeds) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]}"
        parts.append(f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''} ({listed})")
    if steps:
        parts.append(f"{' or '.join(map(str, steps))} steps{' each' if len(runs) > 1 else ''}")
    return f"{', '.join(parts)}." if parts else ""


def provenance(results: Results, sweep: Sweep) -> str:
    runs = results.runs
    command = f"<code>{escape(results.command)}</code>" if results.command else "not recorded"
    entries: Dict[str, str] = {"Command": command}
    if results.record.earlier_commands:
        entries["Earlier commands"] = code_list(results.record.earlier_commands)
    for title, name in (
        ("Commit", "commit"),
        ("Version", "program_version"),
        ("libtorch", "libtorch_version"),
        ("oneDNN", "onednn_version"),
        ("Processor", "cpu_model"),
        ("Instruction set of quantizers", "isa"),
        ("Instruction set of matmuls", "onednn_isa"),
        ("GPU", "gpu_model"),
        ("cuBLAS", "cublas_version"),
        ("Carriers of matmuls", "carrier"),
        ("Emulated accumulators", "accumulators"),
        ("Data SHA-256", "data_sha256"),
    ):
        values = sorted({str(run.attributes[name]) for run in runs if run.attributes.get(name) not in (None, "")})
        if values:
            entries[title] = code_list(values)
    if "Carriers of matmuls" in entries:
        entries["At the cliff"] = CLIFF_NOTE
    entries["Model"] = escape(model_text(runs, sweep))
    if sweep.entropy_floors:
        floors = ", ".join(f"{floor:g}" for floor in sweep.entropy_floors)
        entries["Entropy floor"] = escape(f"{floors} nats per token")
    if sweep.varying:
        entries["Varied"] = code_list([RATE] * (len(sweep.rates) > 1) + sweep.varying)
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


def headline_html(sweep: Sweep, analysis: Analysis, rates: Sequence[float]) -> str:
    sentences = headline(sweep, analysis, rates)
    items = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="headline">\n{items}\n</ul>' if items else ""


def alerts(results: Results, sweep: Sweep) -> str:
    """What makes other files of the directory disagree with this page."""
    texts = []
    for part in results.parts or [results]:
        if part.stale_index:
            texts.append(
                "<code>index.h5</code> is older than these runs and does not hold what this page shows; "
                f"<code>precipice merge {escape(part.name)}</code> writes it anew."
            )
    if results.left_out:
        named = code_list(results.left_out[:MOST_NAMED])
        more = len(results.left_out) - MOST_NAMED
        named += f" and {more} more" if more > 0 else ""
        texts.append(f"Not in this report, since sweep.toml does not list them: {named}.")
    if sweep.split:
        texts.append(escape(sweep.split))
    return "\n".join(f'<p class="alert">{text}</p>' for text in texts)


def without_result(results: Results) -> str:
    """Every run without a result, by name: nothing is left out silently."""
    alike: Dict[str, List[str]] = {}
    for run in results.runs:
        if not run.ended:
            step = f" after {run.steps_done} steps" if run.steps_done else ""
            why = "; ".join(part for part in (run.reason, run.problem) if part)
            alike.setdefault(f"{run.state}{step}{': ' + why if why else ''}", []).append(run.id)
    items = []
    for text, names in alike.items():
        items.append(f"<li>{code_list(names[:MOST_NAMED])}: {escape(text)}</li>")
        rest = names[MOST_NAMED:]
        if rest:
            items[-1] = items[-1].replace("</li>", folded(f"and {len(rest)} more", code_list(rest)) + "</li>")
    return "<ul>\n" + "\n".join(items) + "\n</ul>" if items else ""
