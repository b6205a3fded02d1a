"""Styles that every page shares: what fits a narrow window, and what is legible in the dark theme."""

from __future__ import annotations

FITTING = "[data-testid=stVegaLiteChart] { max-width: 100%; overflow-x: auto; }"
"""A chart never makes the page scroll sideways."""
DESKS = ("label_desk", "transcripts_desk")
"""Containers whose columns stay side by side down to `NARROWEST`: what is read, and what is done about it."""
NARROW, NARROWEST = 1200, 800
"""Widths of the window, in pixels, below which columns stack: most, and those of the desks too."""
LEGIBLE = "button[data-variant=segmented_control][data-selected=true] p { color: light-dark(#005F99, #A6D4F5); }"
"""The text of the selected segment: the dark theme gives it its background's colour, with too little contrast. The
browser follows the theme at once, where a style sheet made for one theme would stay until the page's next run."""

_ROOMY = ':is([data-testid="stDataFrame"], [data-testid="stVegaLiteChart"], h2)'
_ROW = '[data-testid="stMain"] [data-testid="stHorizontalBlock"]'
_COLUMN = '[data-testid="stColumn"]'


def page_style() -> str:
    """The style sheet of every page.

    Columns that hold a table, a chart or a heading stack in a narrow window; columns of buttons and single numbers do
    not.
    """
    desks = "".join(f":not(.st-key-{name} *)" for name in DESKS)
    narrow = f'[data-testid="stMainBlockContainer"] {{ padding-left: 2rem; padding-right: 2rem; }} {_stacked(desks)}'
    sheets = (
        FITTING,
        f"@media (max-width: {NARROW}px) {{ {narrow} }}",
        f"@media (max-width: {NARROWEST}px) {{ {_stacked()} }}",
        LEGIBLE,
    )
    return "\n".join(sheets)


def _stacked(exempt: str = "") -> str:
    rows = f"{_ROW}:has(> {_COLUMN} {_ROOMY}){exempt}"
    return f"{rows} {{ flex-wrap: wrap; row-gap: 1rem; }} {rows} > {_COLUMN} {{ min-width: 100%; }}"
