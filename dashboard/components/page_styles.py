"""Styles that every page shares: what fits a narrow window, and what is legible in the dark theme."""

from __future__ import annotations

FITTING = "[data-testid=stVegaLiteChart] { max-width: 100%; overflow-x: auto; }"
"""A chart never makes the page scroll sideways."""
DESKS = ("label_desk", "transcripts_desk")
"""Containers whose columns stay side by side down to `NARROWEST`: what is read, and what is done about it."""
NARROW, NARROWEST = 1200, 800
"""Widths of the window, in pixels, below which columns stack: most, and those of the desks too."""
# In the dark theme the selected segment has text and background of one colour, with too little contrast.
LEGIBLE = "button[data-variant=segmented_control][data-selected=true] p { color: #A6D4F5; }"

_ROOMY = ':is([data-testid="stDataFrame"], [data-testid="stVegaLiteChart"], h3)'
_ROW = '[data-testid="stMain"] [data-testid="stHorizontalBlock"]'
_COLUMN = '[data-testid="stColumn"]'


def page_style(*, dark: bool) -> str:
    """The style sheet of every page.

    Columns that hold a table, a chart or a heading stack in a narrow window; columns of buttons and single numbers do
    not.

    Parameters
    ----------
    dark : bool
        Whether the page uses the dark theme.
    """
    desks = "".join(f":not(.st-key-{name} *)" for name in DESKS)
    narrow = f'[data-testid="stMainBlockContainer"] {{ padding-left: 2rem; padding-right: 2rem; }} {_stacked(desks)}'
    sheets = (
        FITTING,
        f"@media (max-width: {NARROW}px) {{ {narrow} }}",
        f"@media (max-width: {NARROWEST}px) {{ {_stacked()} }}",
        LEGIBLE if dark else "",
    )
    return "\n".join(sheets)


def _stacked(exempt: str = "") -> str:
    rows = f"{_ROW}:has(> {_COLUMN} {_ROOMY}){exempt}"
    return f"{rows} {{ flex-wrap: wrap; }} {rows} > {_COLUMN} {{ min-width: 100%; }}"
