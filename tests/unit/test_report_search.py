"""The optional part of the report that shows a search for hyper-parameters, and the training curves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.html_page import Page
from vision.evaluation import evaluate_predictions
from vision.report import Report, render_report
from vision.report.training_plots import plot_history, plot_importances, plot_search
from vision.report.wording import parameter
from vision.tuning_parameters import SearchRecord, TrialRecord


def trial(number, value, state, parameters):
    return TrialRecord(number=number, value=value, state=state, parameters=parameters)


TRIALS = (
    trial(0, 0.90, "COMPLETE", {"learning_rate": 0.001, "optimizer": "adam"}),
    trial(1, 0.95, "COMPLETE", {"learning_rate": 0.0031622, "optimizer": "sgd", "blocks": 3}),
    trial(2, 0.99, "PRUNED", {"learning_rate": 0.01, "optimizer": "adam"}),
    trial(3, None, "FAIL", {"learning_rate": 0.1, "optimizer": "adam"}),
    trial(4, 0.95, "COMPLETE", {"learning_rate": 0.002, "optimizer": "sgd"}),
)
SEARCH = SearchRecord(
    score="average_precision", trials=TRIALS, importances={"optimizer": 0.25, "learning_rate": 0.75}
)


@pytest.fixture(scope="module")
def html() -> str:
    evaluation = evaluate_predictions(np.eye(2), np.array([0, 1]), ("a", "b"), resamples=10)
    return render_report(Report("search", evaluation, search=SEARCH))


def test_best_are_the_completed_ones_of_equal_score_the_earliest() -> None:
    assert [trial.number for trial in SEARCH.best(5)] == [1, 4, 0]
    assert [trial.number for trial in SEARCH.best(1)] == [1]


def test_search_is_shown_with_its_importances(html) -> None:
    page = Page(html)
    told = [image["alt"] for image in page.images]
    assert "search" in page.sections
    assert "Validation average precision of 3 completed and 1 pruned trials; the best reached 0.9500" in told
    assert "Importance of the parameters: learning rate 75\u202f%, optimizer 25\u202f%" in told


def test_best_trials_stand_in_a_table_with_all_their_parameters(html) -> None:
    rows = html[html.index("Best trials") :].split("<tr>")
    headings = [">learning rate<", ">optimizer<", ">blocks<"]
    assert [heading for heading in headings if heading in rows[1]] == headings
    assert "<td>0.9500</td><td>0.00316</td><td>sgd</td><td>3</td>" in rows[2]
    assert "<td>0.9000</td><td>0.001</td><td>adam</td><td>–</td>" in rows[4]


@pytest.mark.parametrize("kept", [(), TRIALS[3:4]], ids=["no trial", "a failed one"])
def test_a_search_without_scores_has_no_pictures(kept) -> None:
    search = SearchRecord(score="accuracy", trials=kept, importances={})
    assert (plot_search(search), plot_importances(search)) == (None, None)


@pytest.mark.parametrize("kept", [TRIALS[:1], TRIALS[2:3]], ids=["one completed", "one pruned"])
def test_a_search_of_one_trial_has_a_picture(kept) -> None:
    assert (
        "average precision"
        in plot_search(SearchRecord(score="average_precision", trials=kept, importances={})).alt
    )


def test_parameters_are_short() -> None:
    assert [parameter(value) for value in (0.00316227, 3, "adam", True, None)] == [
        *("0.00316", "3", "adam", "True", "–")
    ]


def test_training_curves_show_the_score_that_was_kept_and_the_learning_rate() -> None:
    history = {
        "loss": [1.0, 0.5],
        "val_loss": [1.1, 0.7],
        "average_precision": [0.5, 0.7],
        "val_average_precision": [0.4, 0.6],
        "learning_rate": [1e-3, 0.0],  # a schedule that ends at 0 on a logarithmic axis
    }
    assert plot_history(history).alt == (
        "Training curves over 2 epochs; at the end: loss 0.5, val_loss 0.7, average_precision 0.7,"
        " val_average_precision 0.6, learning_rate 0"
    )
