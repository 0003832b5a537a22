"""scikit-learn's own checks of a classifier: all of them pass on rows that are drawn as images."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from runs import BACKBONE

from .rows import OnRows

ESTIMATOR = OnRows("kernel", BACKBONE, size=32)
# these train nothing, or once
QUICK = {
    *("check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types"),
    *("check_estimator_repr", "check_no_attributes_set_in_init", "check_estimators_unfitted"),
    *("check_do_not_raise_errors_in_init_or_set_params", "check_mixin_order", "check_complex_data"),
    *("check_estimators_empty_data_messages", "check_estimator_sparse_tag", "check_fit2d_1sample"),
    *("check_estimator_sparse_array", "check_estimator_sparse_matrix", "check_set_params"),
    *("check_classifiers_one_label", "check_classifiers_regression_target", "check_fit1d"),
    *("check_supervised_y_no_nan", "check_parameters_default_constructible"),
    *("check_get_params_invariance", "check_requires_y_none"),
}


def _cases():
    """Return each check by its name; those that train several times are for the thorough run."""
    for number, (_, check) in enumerate(estimator_checks_generator(ESTIMATOR)):
        name = check.func.__name__
        marks = () if name in QUICK else pytest.mark.thorough
        yield pytest.param(check, id=f"{name}-{number}", marks=marks)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", list(_cases()))
def test_it_passes(check, weights, quick_runs):
    check(clone(ESTIMATOR).set_params(weights=str(weights)))
