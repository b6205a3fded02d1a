"""Rates corrected for the errors of a judge, on counts and arrays: `gn.correction`. Each gives an interval."""

from gnomon.calibration.latent_class.dawid_skene import dawid_skene
from gnomon.calibration.latent_class.dawid_skene_bayes import dawid_skene_bayes
from gnomon.calibration.numerics.common_odds_ratio import common_odds_ratio
from gnomon.calibration.numerics.partial_pooling import partial_pool
from gnomon.calibration.numerics.prediction_powered import LabelStratum, ppi_mean, ppi_stratified, ppi_weighted
from gnomon.calibration.numerics.proportions import (
    allocate_labels,
    clopper_pearson,
    difference_interval,
    lang_reiczigel,
    newcombe_difference,
    rogan_gladen,
    wilson_interval,
)
from gnomon.calibration.posterior.single_judge import joint_difference, joint_posterior, marginal_posterior

__all__ = [
    "LabelStratum",
    "allocate_labels",
    "clopper_pearson",
    "common_odds_ratio",
    "dawid_skene",
    "dawid_skene_bayes",
    "difference_interval",
    "joint_difference",
    "joint_posterior",
    "lang_reiczigel",
    "marginal_posterior",
    "newcombe_difference",
    "partial_pool",
    "ppi_mean",
    "ppi_stratified",
    "ppi_weighted",
    "rogan_gladen",
    "wilson_interval",
]
