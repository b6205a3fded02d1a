"""A button that copies the whole address of a trial's page."""

from __future__ import annotations

import streamlit as st

_CSS = """
.copy {
  all: unset;
  box-sizing: border-box;
  cursor: pointer;
  white-space: nowrap;
  font-family: var(--st-font);
  color: var(--st-text-color);
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius, 0.5rem);
  padding: 0.25rem 0.75rem;
  font-size: 0.875rem;
  line-height: 1.9rem;
  min-height: 2.5rem;
}
.copy:hover { border-color: var(--st-primary-color); }
.copy:focus-visible { outline: 2px solid var(--st-primary-color); }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const button = parentElement.querySelector(".copy");
  const whole = new URL(data.address, location.href).href;
  button.textContent = "Copy link";
  button.title = whole;
  button.onclick = async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(whole);
    } catch {  // a page that isn't served over HTTPS may not write to the clipboard by itself
      const field = document.createElement("textarea");
      field.value = whole;
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
    }
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = "Copy link"; }, 2000);
  };
}
"""

_component = st.components.v2.component(
    "gnomon_copy_link", html='<button type="button" class="copy" data-testid="copy-link"></button>', css=_CSS, js=_JS
)


def show_copy_link(address: str, key: str) -> None:
    """Draw the button.

    Parameters
    ----------
    address : str
        Address relative to this page, as `trial_links.trial_address` writes it.
    key : str
        Identity of the element on the page.
    """
    _component(data={"address": address}, key=key, width="content", height="content")
