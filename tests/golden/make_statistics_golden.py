#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Intervals, tests and curves of SciPy, statsmodels, lifelines and scikit-learn, for tests/metrics/statistics.

    python tests/golden/make_statistics_golden.py > tests/golden/statistics.json

Needs those four packages; the tests need only the JSON file. Inputs are drawn with a fixed seed and stand in the file.
"""
import json

import lifelines
import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

RNG = np.random.default_rng(20230914)


def proportions():
    rows = []
    for k, n in [(18, 188), (0, 70), (70, 70), (1, 3), (5, 8), (0, 1), (3, 80), (250, 1000)]:
        wilson = proportion_confint(k, n, method="wilson")
        jeffreys = stats.beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
        rows.append({"events": k, "trials": n, "wilson": list(wilson),
                     "jeffreys": [0.0 if k == 0 else jeffreys[0], 1.0 if k == n else jeffreys[1]]})
    return rows


def pairs_of_counts():
    rows = []
    for a, n, b, m in [(18, 188, 0, 70), (3, 8, 0, 8), (7, 12, 2, 15), (1, 1, 0, 1), (40, 80, 60, 90), (5, 30, 5, 30)]:
        low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
        rows.append({"a": [a, n], "b": [b, m], "newcombe": [low, high],
                     "fisher": stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue})
    return rows


def survival():
    rows = []
    for size, groups in [(20, 2), (40, 3), (9, 2)]:
        times = np.ceil(RNG.exponential(30, size)).tolist()
        events = (RNG.random(size) < 0.6).tolist()
        group = RNG.integers(0, groups, size).tolist()
        km = KaplanMeierFitter().fit(times, events)
        curve = km.survival_function_["KM_estimate"]
        interval = km.confidence_interval_
        known = sorted(set(times))
        test = multivariate_logrank_test(times, group, events)
        rows.append({"times": times, "events": events, "group": group, "at": known,
                     "survival": [curve[t] for t in known],
                     "low": [interval.loc[t].iloc[0] for t in known], "high": [interval.loc[t].iloc[1] for t in known],
                     "chi_squared": test.test_statistic, "p": test.p_value})
    return rows


def rank_tests():
    rows = []
    for n, m, method, tied in [(5, 7, "exact", False), (8, 8, "exact", False), (30, 28, "exact", False),
                               (40, 50, "asymptotic", False), (35, 45, "asymptotic", True)]:
        x, y = RNG.normal(0.5, 1, n), RNG.normal(0, 1, m)
        if tied:
            x, y = np.round(x), np.round(y)
        test = stats.mannwhitneyu(x, y, method=method)
        rows.append({"x": x.tolist(), "y": y.tolist(), "u": test.statistic, "p": test.pvalue})
    return rows


def powers():
    return [{"effect": d, "n": n, "power": TTestIndPower().power(d, n, 0.05)}
            for d, n in [(0.5, 64), (1.0, 8), (1.0, 17), (2.0, 4), (0.2, 100)]]


def fisher_powers():
    rows = []
    for p, q, n in [(0.1, 0.3, 18), (0.1, 0.5, 18), (0.0, 0.4, 12), (0.1, 0.3, 50)]:
        of_p, of_q = stats.binom.pmf(range(n + 1), n, p), stats.binom.pmf(range(n + 1), n, q)
        power = sum(of_p[a] * of_q[b] for a in range(n + 1) for b in range(n + 1)
                    if stats.fisher_exact([[a, n - a], [b, n - b]]).pvalue <= 0.05)
        rows.append({"p": p, "q": q, "n": n, "power": power})
    return rows


def scores():
    rows = []
    for m, n, digits in [(6, 9, 3), (20, 50, 1), (3, 40, 0)]:
        cases, controls = np.round(RNG.normal(1, 1, m), digits), np.round(RNG.normal(0, 1, n), digits)
        truth, both = [1] * m + [0] * n, np.concatenate([cases, controls])
        rows.append({"cases": cases.tolist(), "controls": controls.tolist(), "auc": roc_auc_score(truth, both),
                     "average_precision": average_precision_score(truth, both)})
    return rows


def holm():
    p = RNG.random(7) ** 3
    return {"p": p.tolist(), "adjusted": multipletests(p, method="holm")[1].tolist()}


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


print(json.dumps({"made_with": {"scipy": __import__("scipy").__version__,
                                "statsmodels": __import__("statsmodels").__version__,
                                "lifelines": lifelines.__version__, "scikit-learn": __import__("sklearn").__version__},
                  "proportions": proportions(), "pairs": pairs_of_counts(), "survival": survival(), "ranks": rank_tests(),
                  "power": powers(),
                  "fisher_power": fisher_powers(), "scores": scores(), "holm": holm()}, default=plain, indent=1))
