"""What was simulated as a picture: totals by plan, and how many customers owe how much more or less.

Drawn by matplotlib, of the extra `charts`, into a PNG, or into a page of HTML that holds all of itself. The same simulation
gives the same bytes.
"""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engine.cli.simulation.simulated_sums import SimulatedSums, Sum
from engine.cli.simulation.simulation_tables import change_cells
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.files import written_whole

SUFFIXES: Final = (".png", ".html")
# What can be read at a glance; the tables have the rest.
_CURRENCIES_MAX: Final = 6
_PLANS_MAX: Final = 10
_BINS: Final = 24
_BEFORE, _AFTER = "#9aa5b1", "#2563eb"
_MORE, _LESS = "#b45309", "#0f766e"
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}}
table{{border-collapse:collapse;margin:1rem 0}}th,td{{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}}
th:first-child,td:first-child{{text-align:left}}svg{{max-width:100%;height:auto}}</style></head>
<body><h1>{title}</h1>{tables}<figure role="img" aria-label="Totals by plan, and customers by change">{drawing}</figure>
<p>{footer}</p></body></html>
"""


def check_chart(path: Path) -> None:
    """Before anything is asked. Raises CommandError for a name that says nothing, and where the extra isn't installed."""
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{path}: its name must end with .png or .html: it says what to draw")
    try:
        import matplotlib.figure  # noqa: PLC0415 - it is of an extra, and takes long to load
    except ImportError:
        raise CommandError("--chart needs matplotlib: install meterline[charts], or leave it out") from None
    del matplotlib


def write_chart(path: Path, sums: SimulatedSums, title: str, footer: str) -> None:
    """Raises CommandError if it can't be written."""
    import matplotlib as mpl  # noqa: PLC0415 - as above

    totals = sums.rows("total")[:_CURRENCIES_MAX]
    drawing = io.BytesIO()
    # Ids of parts would be drawn by chance, and the day be noted.
    with mpl.rc_context({"svg.hashsalt": "meterline", "svg.fonttype": "none"}):
        figure = _figure(sums, totals, title)
        if path.suffix.lower() == ".png":
            figure.savefig(drawing, format="png", dpi=144, metadata={"Software": None})
        else:
            figure.savefig(
                drawing, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
            )
    content = drawing.getvalue()
    if path.suffix.lower() == ".html":
        svg = content.decode()
        page = _PAGE.format(
            title=html.escape(title),
            tables=_totals_html(totals) + _plans_html(sums.rows("plan")),
            drawing=svg[svg.index("<svg") :],
            footer=html.escape(footer),
        )
        content = page.encode()
    with written_whole(path) as file:
        file.write(content)


def _figure(sums: SimulatedSums, totals: Sequence[Sum], title: str) -> Any:  # noqa: ANN401 - matplotlib's own
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(12, 1 + 4 * max(len(totals), 1)), layout="constrained")
    figure.suptitle(title)
    customers = sums.table("customer")
    for row, total in enumerate(totals):
        left = figure.add_subplot(len(totals), 2, 2 * row + 1)
        right = figure.add_subplot(len(totals), 2, 2 * row + 2)
        _draw_plans(
            left, [each for each in sums.rows("plan") if each.currency == total.currency], total.currency
        )
        own = customers.filter(_equals(customers["currency"], total.currency))
        _draw_changes(right, [float(each) for each in own["due_difference"].to_pylist()], total.currency)
    return figure


def _equals(column: Any, text: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    return pc.equal(column, text)


def _draw_plans(axes: Any, plans: Sequence[Sum], currency: str) -> None:  # noqa: ANN401 - matplotlib's own
    """The plans that come to most, due before and after. A picture may be of binary floats."""
    largest = sorted(plans, key=lambda each: -max(abs(each.due.before), abs(each.due.after)))[:_PLANS_MAX]
    names = [each.keys[0] for each in largest]
    for offset, side, colour in ((-0.2, "before", _BEFORE), (0.2, "after", _AFTER)):
        values = [float(getattr(each.due, side)) for each in largest]
        axes.bar([place + offset for place in range(len(names))], values, width=0.4, color=colour, label=side)
    axes.set_xticks(
        range(len(names)),
        [name if len(name) <= 20 else f"{name[:18]}.." for name in names],
        rotation=30,
        ha="right",
    )
    axes.set_ylabel(currency)
    axes.set_title(f"due by plan, {currency}")
    axes.legend()
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _draw_changes(axes: Any, differences: Sequence[float], currency: str) -> None:  # noqa: ANN401 - as above
    changed = [each for each in differences if each]
    same = len(differences) - len(changed)
    if changed:
        _, edges, bars = axes.hist(changed, bins=_BINS)
        for start, end, bar in zip(edges, edges[1:], bars, strict=False):
            bar.set_color(_MORE if start + end > 0 else _LESS)
        axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"{currency} more (right) or less (left)")
    axes.set_ylabel("customers")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"customers by change of what is due; {same:,} as before")


def _totals_html(totals: Sequence[Sum]) -> str:
    rows = [
        [f"{name}, {each.currency}", *change_cells(getattr(each, name))]
        for each in totals
        for name in ("amount", "due")
    ]
    return _table(("all customers", "before", "after", "difference", "change"), rows)


def _plans_html(plans: Sequence[Sum]) -> str:
    rows = [[f"{each.keys[0]}, {each.currency}", *change_cells(each.due)] for each in plans]
    return _table(("plan", "due before", "after", "difference", "change"), rows)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
