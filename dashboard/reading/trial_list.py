"""A list of trials: condition, outcomes and a snippet of each, one of them open. A press on one opens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from gnomon.dashboard.transcripts.snippets import Pieces

_CSS = """
.trials { list-style: none; margin: 0; padding: 0; max-height: 72vh; overflow-y: auto; font-family: var(--st-font); }
.trials li { margin: 0; border-bottom: 1px solid var(--st-border-color); }
.trials button {
  all: unset;
  box-sizing: border-box;
  display: block;
  width: 100%;
  padding: 6px 10px;
  cursor: pointer;
  color: var(--st-text-color);
  border-left: 3px solid transparent;
}
.trials button:hover { background: color-mix(in srgb, var(--st-text-color) 6%, transparent); }
.trials button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -2px; }
.trials button[aria-current="true"] {
  background: color-mix(in srgb, var(--st-primary-color) 12%, transparent);
  border-left-color: var(--st-primary-color);
}
.trials .head { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 0.9rem; overflow-wrap: anywhere; }
.trials .head strong { font-weight: 600; }
.trials .snippet {
  display: -webkit-box;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 2;
  overflow: hidden;
  overflow-wrap: anywhere;
  margin-top: 2px;
  font-size: 0.85rem;
  line-height: 1.35;
}
.trials .snippet .match {
  background: color-mix(in srgb, #E69F00 40%, transparent);
  color: inherit;
  border-radius: 3px;
}
"""

_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const box = parentElement.querySelector(".trials");
  box.setAttribute("aria-label", data.label);
  const root = box.getRootNode();
  const focused = [...box.querySelectorAll("button")].indexOf(root.activeElement);
  const make = (name, text, kind) => {
    const node = document.createElement(name);
    node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  box.replaceChildren(...data.rows.map((row, place) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-current", row.is_open ? "true" : "false");
    const head = make("span", "", "head");
    head.append(make("strong", row.title), ...row.facts.map((text) => make("span", text)));
    button.append(head);
    if (row.snippet.length) {
      const line = make("span", "", "snippet");
      line.append(...row.snippet.map(([text, match]) => make("span", text, match ? "match" : "")));
      button.append(line);
    }
    button.onclick = () => setTriggerValue("open", place);
    item.append(button);
    return item;
  }));
  const open = box.querySelector('[aria-current="true"]');
  if (open) {
    const top = open.offsetTop - box.offsetTop;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + open.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = top + open.offsetHeight - box.clientHeight;
  } else if (!data.keep) box.scrollTop = 0;
  if (focused >= 0) box.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
}
"""

_component = st.components.v2.component(
    "gnomon_trial_list", html='<ol class="trials" data-testid="trials"></ol>', css=_CSS, js=_JS
)


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row: what the trial is, what is known of it, and a snippet in pieces; whether it is open."""

    title: str
    facts: tuple[str, ...] = ()
    snippet: Pieces | tuple[()] = ()
    is_open: bool = False


def show_trial_list(rows: Sequence[ListRow], key: str, on_open: Callable[[int], None], label: str = "Trials") -> None:
    """Draw a list.

    Parameters
    ----------
    rows : sequence of ListRow
        The rows.
    key : str
        Identity of the element on the page.
    on_open : callable
        Called with the place of the row that was pressed, before the page is drawn anew.
    label : str
        What the list is, for screen readers.
    """

    def pressed() -> None:
        place = st.session_state[key].get("open")
        if place is not None and 0 <= int(place) < len(rows):
            on_open(int(place))

    _component(data={"rows": [asdict(row) for row in rows], "label": label}, key=key, on_open_change=pressed)
