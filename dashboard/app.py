"""The Streamlit app: frame, study picker and pages. Start it with `gnomon.dashboard.server.launch`."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.auth import identity
from gnomon.dashboard.browser_window import watch_window
from gnomon.dashboard.components.page_errors import errors_in_one_line
from gnomon.dashboard.components.page_styles import page_style

# An emoji: an icon given by name would be fetched from another host.
ICON = "☀️"


def _draw_page(show: Callable[[], None]) -> None:
    """Draw a page; any error becomes one line on it, not a traceback."""
    with errors_in_one_line():
        show()


def study_page() -> None:
    """Design, what is missing, what to do next."""
    from gnomon.dashboard.views import study

    _draw_page(study.show_page)


def scaling_page() -> None:
    """Detection over model size."""
    from gnomon.dashboard.views import scaling

    _draw_page(scaling.show_page)


def battery_page() -> None:
    """Tasks that a bias to yes cannot fake."""
    from gnomon.dashboard.views import battery

    _draw_page(battery.show_page)


def judges_page() -> None:
    """Judges against labels."""
    from gnomon.dashboard.views import judges

    _draw_page(judges.show_page)


def card_page() -> None:
    """What may be built on a judge."""
    from gnomon.dashboard.views import calibration_card

    _draw_page(calibration_card.show_page)


def label_page() -> None:
    """Blind labelling by keyboard."""
    from gnomon.dashboard.views import label

    _draw_page(label.show_page)


def refusal_page() -> None:
    """How refusals affect the estimates."""
    from gnomon.dashboard.views import refusal

    _draw_page(refusal.show_page)


def diagnostics_page() -> None:
    """Convergence and checks of the fits."""
    from gnomon.dashboard.views import diagnostics

    _draw_page(diagnostics.show_page)


def transcripts_page() -> None:
    """Transcripts with their verdicts and labels."""
    from gnomon.dashboard.views import transcripts

    _draw_page(transcripts.show_page)


def main() -> None:
    """Draw the frame and the requested page."""
    st.set_page_config(page_title="Gnomon", page_icon=ICON, layout="wide")
    pages = {
        "study": st.Page(study_page, title="Study", icon=":material/overview:", default=True),
        "scaling": st.Page(scaling_page, title="Scaling", icon=":material/show_chart:", url_path="scaling"),
        "battery": st.Page(battery_page, title="Battery", icon=":material/checklist:", url_path="battery"),
        "refusal": st.Page(refusal_page, title="Refusal", icon=":material/do_not_disturb_on:", url_path="refusal"),
        "judges": st.Page(judges_page, title="Judges", icon=":material/gavel:", url_path="judges"),
        "card": st.Page(card_page, title="Calibration card", icon=":material/verified:", url_path="card"),
        "label": st.Page(label_page, title="Label", icon=":material/edit_note:", url_path="label"),
        "transcripts": st.Page(transcripts_page, title="Transcripts", icon=":material/forum:", url_path="transcripts"),
        "diagnostics": st.Page(
            diagnostics_page, title="Diagnostics", icon=":material/monitor_heart:", url_path="diagnostics"
        ),
    }
    st.session_state["pages"] = pages
    # The page that opens first has the root as its address, whatever it is given: this one has the name's.
    named = st.Page(study_page, title="Study", url_path="study", visibility="hidden")
    st.html(f"<style>{page_style()}</style>")
    page = None
    with errors_in_one_line("No study to show."):
        chosen = st.navigation([*pages.values(), named], position="sidebar" if identity.is_known() else "hidden")
        if identity.has_entered():
            study_picker.pick_study()
            page = chosen
    if page is not None:
        page.run()
        watch_window()


main()
