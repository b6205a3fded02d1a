"""What is wrong with the geometry of a page, measured in the browser: scrolling, overlaps, what is cut."""

from __future__ import annotations

from typing import Any

FAULTS = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  const block = document.querySelector('[data-testid="stMainBlockContainer"]');
  const found = [];
  const words = (node) => (node.dataset.testid || node.tagName) + " '" +
    (node.textContent || node.getAttribute("aria-label") || "").trim().slice(0, 50) + "'";
  const shown = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const all = (what, root = block) => [...root.querySelectorAll(what)].filter(shown);
  for (const one of [main, document.documentElement])
    if (one.scrollWidth > one.clientWidth) found.push(`sideways: ${one.scrollWidth} > ${one.clientWidth}`);

  const edge = block.getBoundingClientRect().right - parseFloat(getComputedStyle(block).paddingRight) + 1;
  const what = "h1, h2, h3, h4, p, li, [data-testid=stMetric], [data-testid=stDataFrame], " +
    "[data-testid=stVegaLiteChart] canvas, [data-testid=stTable], [data-testid=stAlert], [data-testid=stExpander], " +
    "[data-testid=stText]";
  const scrolls = (node) => {
    for (let each = node.parentElement; each && each !== block; each = each.parentElement)
      if (each.dataset.testid !== "stVegaLiteChart" && ["auto", "scroll"].includes(getComputedStyle(each).overflowX))
        return true;
    return false;
  };
  const boxes = all(what)
    .filter((node) => !node.closest("table") || node.tagName === "TABLE")
    .filter((node) => !node.closest("button, label, [data-testid=stDataFrame] *, summary"))
    .map((node) => [node, node.getBoundingClientRect()])
    .filter(([, box]) => box.width > 2 && box.height > 2);
  for (const [node, box] of boxes) {
    if (scrolls(node)) continue;
    if (box.right > edge) found.push(`beyond the right edge by ${Math.round(box.right - edge)}: ${words(node)}`);
    const column = node.closest('[data-testid="stColumn"]') || block;
    const more = Math.round(box.right - column.getBoundingClientRect().right);
    if (more > 1) found.push(`beyond its column by ${more}: ${words(node)}`);
  }
  boxes.forEach(([one, a], place) => boxes.slice(place + 1).forEach(([other, b]) => {
    if (one.contains(other) || other.contains(one)) return;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const size = `${Math.round(wide)}x${Math.round(high)}`;
    if (wide > 3 && high > 3) found.push(`overlap ${size}: ${words(one)} | ${words(other)}`);
  }));
  for (const node of all("[data-testid=stMetricValue] *, [data-testid=stMetricLabel] *, [data-testid=stMetricDelta] *"))
    if (node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflow !== "visible")
      found.push(`cut: ${words(node)}`);
  for (const node of all("[data-testid=stDataFrame]")) {
    const sheet = node.querySelector(".dvn-scroller"), grid = node.querySelector("[role=grid]");
    if (!sheet || !grid || window.innerWidth < WIDE || grid.getAttribute("aria-colcount") > FEW) continue;
    const more = sheet.scrollWidth - sheet.clientWidth;
    if (more > 1) found.push(`a table of few columns scrolls by ${more}: ${words(node)}`);
  }
  return found;
}""".replace("WIDE", "1400").replace("FEW", "8")
"""Script that returns one line for each fault."""


DRAWN = """() => [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')]
  .filter((chart) => chart.checkVisibility()).every((chart) => chart.querySelector("canvas, svg")) &&
  document.querySelector('[data-testid="stSkeleton"]') === null"""
"""Script that tells whether every chart is drawn and nothing is still to be loaded."""


def geometry_faults(page: Any) -> list[str]:
    """One line for each heading, text, number, table or chart that overlaps another or is cut, and for scrolling."""
    page.wait_for_function(DRAWN, polling=100)
    return list(dict.fromkeys(page.evaluate(FAULTS)))
