"""The metrics, against brute force and scipy."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spatialvlm_ros.reward import metrics

few = st.lists(st.integers(0, 6).map(float), min_size=3, max_size=25)


@settings(max_examples=100)
@given(few)
def test_voc_is_scipys_spearman_with_ties(values):
    found = metrics.value_order_correlation(values)
    if len(set(values)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(values, range(len(values))).statistic, abs=1e-12)


def test_voc_leaves_unmeasured_frames_out():
    values = [math.nan, 0.1, 0.2, math.nan, 0.15, 0.5]
    assert metrics.value_order_correlation(values) == pytest.approx(stats.spearmanr([0.1, 0.2, 0.15, 0.5], range(4)).statistic)
    assert math.isnan(metrics.value_order_correlation([math.nan, 0.3, math.nan]))
    assert metrics.value_order_correlation([3.0, 2.0, 1.0]) == pytest.approx(-1.0)
    assert metrics.value_order_correlation([3.0, 2.0, 1.0], time=[2.0, 1.0, 0.0]) == pytest.approx(1.0)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), min_size=2, max_size=30))
def test_tau_is_brute_force_over_pairs(rows):
    est, true = [float(e) for e, _ in rows], [t / 1000 for _, t in rows]
    right, pairs = 0.0, 0
    for i, j in combinations(range(len(rows)), 2):
        if abs(true[i] - true[j]) > 0.01:
            pairs += 1
            product = (est[i] - est[j]) * (true[i] - true[j])
            right += 1.0 if product > 0 else 0.5 if product == 0 else 0.0
    share, counted = metrics.pair_ranking_accuracy(est, true)
    assert counted == pairs
    assert share == pytest.approx(right / pairs) if pairs else math.isnan(share)


def test_tau_over_more_rows_than_one_block():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, 1300)
    assert metrics.pair_ranking_accuracy(truth, truth)[0] == 1.0
    assert metrics.pair_ranking_accuracy(-truth, truth)[0] == 0.0
    assert metrics.pair_ranking_accuracy(np.zeros(1300), truth)[0] == 0.5
    assert 0.45 < metrics.pair_ranking_accuracy(rng.uniform(0, 1, 1300), truth)[0] < 0.55


def test_voc_hides_what_tau_shows():
    """The lead in the literature that one metric alone misleads, in numbers of our own."""
    rng = np.random.default_rng(2)
    truth = np.linspace(0.5, 0.02, 200)
    noisy = truth * (1 + rng.normal(0, 0.3, 200))
    assert metrics.value_order_correlation(-noisy) > 0.85
    assert metrics.pair_ranking_accuracy(noisy, truth)[0] < 0.9


def test_errors_and_ratios_by_hand():
    summary = metrics.error_summary([0.10, 0.21, 0.5, math.nan, 0.09], [0.10, 0.20, 0.2, 0.3, 0.1])
    assert (summary.num_frames, summary.num_missing) == (5, 1)
    assert summary.mean_mm == pytest.approx((0 + 10 + 300 + 10) / 4)
    assert summary.median_mm == pytest.approx(10)
    assert summary.p90_mm == pytest.approx(np.quantile([0, 10, 300, 10], 0.9))
    assert summary.within_half_to_double == 0.75
    assert summary.within_ten_percent == 0.75  # 0.09 / 0.1 lies on the limit, which is in


def test_errors_of_nothing_are_nan():
    summary = metrics.error_summary([math.nan, math.nan], [0.1, 0.2])
    assert summary.num_missing == 2 and math.isnan(summary.mean_mm) and math.isnan(summary.within_ten_percent)


def test_arrays_of_two_lengths_are_refused():
    for call in (metrics.spearman, metrics.pair_ranking_accuracy, metrics.error_summary):
        with pytest.raises(ValueError, match="one length"):
            call([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="one length"):
        metrics.coverage([1.0], [1.0], [1.0, 2.0], 1)


def test_coverage_of_honest_noise_is_68_and_95_percent():
    rng = np.random.default_rng(3)
    truth, std = rng.uniform(0.1, 1, 20000), rng.uniform(0.001, 0.02, 20000)
    estimate = truth + std * rng.normal(size=20000)
    assert metrics.coverage(estimate, truth, std, 1) == pytest.approx(0.683, abs=0.01)
    assert metrics.coverage(estimate, truth, std, 2) == pytest.approx(0.954, abs=0.01)
    assert metrics.coverage(estimate, truth, std / 10, 2) < 0.3


def test_flicker_is_the_noise_and_not_the_motion():
    rng = np.random.default_rng(4)
    still = np.linspace(0, 1, 5000) ** 2
    assert metrics.flicker(still) < 1e-6
    assert metrics.flicker(still + rng.normal(0, 0.02, 5000)) == pytest.approx(0.02, rel=0.05)
    assert math.isnan(metrics.flicker([0.1, math.nan, 0.2]))


def test_path_efficiency():
    assert metrics.path_efficiency([0.0, 0.2, 0.9]) == 1.0
    assert metrics.path_efficiency([0.0, 0.5, 0.25, 0.75]) == pytest.approx(0.75 / 1.25)
    assert metrics.path_efficiency([0.5, 0.0]) == -1.0
    assert math.isnan(metrics.path_efficiency([0.5, 0.5]))


labelled = st.lists(st.tuples(st.integers(0, 5).map(float), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=100)
@given(labelled)
def test_auroc_is_brute_force_over_pairs(rows):
    scores, labels = zip(*rows, strict=True)
    good, bad = [s for s, y in rows if y], [s for s, y in rows if not y]
    found = metrics.auroc(scores, labels)
    if not good or not bad:
        assert math.isnan(found)
        return
    wins = sum(1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad)
    assert found == pytest.approx(wins / (len(good) * len(bad)))


@settings(max_examples=100)
@given(labelled, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_fpr_at_recall_is_the_best_threshold_by_search(rows, recall):
    scores, labels = zip(*rows, strict=True)
    good, bad = [s for s, y in rows if y], [s for s, y in rows if not y]
    found = metrics.false_positive_rate_at_recall(scores, labels, recall)
    if not good or not bad:
        assert math.isnan(found)
        return
    rates = [
        sum(b >= threshold for b in bad) / len(bad)
        for threshold in sorted(set(scores))
        if sum(g >= threshold for g in good) / len(good) >= recall - 1e-9
    ]
    assert found == pytest.approx(min(rates))


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        metrics.auroc([0.1, math.nan], [True, False])


def test_latencies_in_milliseconds():
    found = metrics.latency_percentiles([0.001 * i for i in range(1, 101)] + [math.nan])
    assert found["p50"] == pytest.approx(50.5) and found["max"] == pytest.approx(100.0)
    assert found["p95"] == pytest.approx(95.05) and found["p99"] == pytest.approx(99.01)
    assert all(math.isnan(v) for v in metrics.latency_percentiles([]).values())


def test_nan_episodes_are_counted_and_not_zeroed():
    found = metrics.mean_interval([1.0, 0.8, math.nan, 0.9])
    assert found.value == pytest.approx(0.9) and (found.num, found.num_nan) == (3, 1)
    assert 0.8 <= found.low <= found.value <= found.high <= 1.0
    assert math.isnan(metrics.mean_interval([math.nan]).value)


def test_bootstrap_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(200):
        found = metrics.mean_interval(rng.normal(0.7, 0.1, 30), repeats=200, seed=seed)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(6).uniform(size=20)
    assert metrics.mean_interval(values, seed=7) == metrics.mean_interval(values, seed=7)
