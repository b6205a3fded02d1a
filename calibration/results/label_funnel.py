"""How many labels each estimate uses, from label events to the trials that measure net detection."""

from __future__ import annotations

from gnomon.data.results import ResultPart


class LabelFunnel(ResultPart):
    """Counts of labels in one view, each a part of the one before."""

    view: str
    """Label view."""
    events: int
    """Label events of all raters: labels, revisions, flags and retractions."""
    trials: int
    """Trials with a standing label of any rater."""
    labelled: int
    """Of these, trials with a label in the view: the corrected fit uses them."""
    measuring: int
    """Of these, trials of the dev and test splits: the audit measures judges on them."""
    net_detection: int
    """Of these, trials of the injection and control arms."""

    @property
    def words(self) -> str:
        """The counts as a sentence."""
        return (
            f"{self.events:,} label events on {self.trials:,} trials; {self.labelled:,} trials have a label in the "
            f"{self.view} view (used by the corrected fit); {self.measuring:,} of them are in the dev and test splits "
            "(used by the audit, which measures imported judges on all splits); "
            f"{self.net_detection:,} of those are in the injection and control arms."
        )
