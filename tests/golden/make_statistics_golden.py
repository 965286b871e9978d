#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Intervals, tests and curves of SciPy, statsmodels, lifelines and scikit-learn, for tests/metrics/statistics.

    python tests/golden/make_statistics_golden.py > tests/golden/statistics.json

Needs those four packages; the tests need only the JSON file. Inputs are drawn with a fixed seed and stand in the file.
"""
import json

import lifelines
import numpy as np
import pandas
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.duration.survfunc import survdiff
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import ttost_paired

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


def paired():
    rows = []
    for n, shift, scale in [(4, 0.006, 0.0025), (5, -0.1, 0.07), (10, 0.0, 1.0), (18, 0.3, 1.0), (2, 1.0, 0.5)]:
        d = RNG.normal(shift, scale, n)
        t, low, high = stats.ttest_1samp(d, 0), -0.5 * scale, 0.9 * scale
        at_margin = stats.ttest_1samp(d, 0.5 * shift)
        tost = ttost_paired(d, np.zeros(n), low, high)
        ends = t.confidence_interval(0.95)
        rows.append({"d": d.tolist(), "p": t.pvalue, "low": ends.low, "high": ends.high, "null": 0.5 * shift,
                     "p_null": at_margin.pvalue, "margins": [low, high], "tost": tost[0], "tost_low": tost[1][1],
                     "tost_high": tost[2][1], "sign": stats.binomtest(int((d > 0).sum()), n).pvalue,
                     "wilcoxon": stats.wilcoxon(d, method="exact").pvalue, "w_plus": float(sum(
                         stats.rankdata(abs(d))[d > 0]))})
    return rows


def paired_outcomes():
    rows = []
    for both, first, second, neither in [(26, 12, 13, 9), (10, 9, 20, 21), (0, 4, 0, 0), (1, 0, 6, 3), (5, 0, 0, 5)]:
        low, high = proportion_confint(first, first + second, method="beta") if first + second else (0.0, 1.0)
        rows.append({"both": both, "first": first, "second": second, "neither": neither, "low": low, "high": high,
                     "p": mcnemar([[both, first], [second, neither]], exact=True).pvalue})
    return rows


def paired_powers():
    return [{"effect": d, "n": n, "power": TTestPower().power(d, n, 0.05)}
            for d, n in [(1.0, 5), (1.0, 10), (0.5, 34), (2.0, 4), (0.2, 100)]]


def stratified_survival():
    rows = []
    for seeds, per_arm in [(6, 3), (10, 1), (4, 4)]:
        size = seeds * 2 * per_arm
        times = np.ceil(RNG.exponential(20, size))
        events = (RNG.random(size) < 0.7).astype(int)
        arm, seed = np.tile(np.arange(2).repeat(per_arm), seeds), np.arange(seeds).repeat(2 * per_arm)
        chi_squared, p = survdiff(times, events, arm, strata=seed)
        rows.append({"times": times.tolist(), "events": events.tolist(), "arm": arm.tolist(), "seed": seed.tolist(),
                     "chi_squared": chi_squared, "p": p})
    return rows


def equal_exposures():
    rows = []
    for counts in [[(3, 1), (2, 2), (0, 1), (4, 0)], [(0, 3), (0, 2)], [(1, 1), (5, 4), (2, 3), (1, 0), (0, 0)]]:
        a, b = sum(x for x, _ in counts), sum(y for _, y in counts)
        test = stats.binomtest(a, a + b)
        low, high = test.proportion_ci(0.95, method="exact")
        both_tails = min(1.0, 2 * min(stats.binom.cdf(a, a + b, 0.5), stats.binom.sf(a - 1, a + b, 0.5)))
        rows.append({"counts": counts, "p": both_tails, "low": low, "high": high})
    return rows


def crossed():
    rows = []
    for levels in [(4, 3), (3, 4, 5)]:
        values = RNG.normal(0, 0.3, levels) + RNG.normal(0, 1, levels[0]).reshape((-1,) + (1,) * (len(levels) - 1))
        table = pandas.DataFrame({"y": values.ravel()})
        for f, level in enumerate(np.indices(levels)):
            table[f"f{f}"] = level.ravel()
        factors = " + ".join(f"C(f{f})" for f in range(len(levels)))
        squares = anova_lm(ols(f"y ~ {factors}", table).fit())["mean_sq"].tolist()
        rows.append({"levels": levels, "values": values.ravel().tolist(), "mean_squares": squares})
    return rows


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


print(json.dumps({"made_with": {"scipy": __import__("scipy").__version__,
                                "statsmodels": __import__("statsmodels").__version__,
                                "lifelines": lifelines.__version__, "scikit-learn": __import__("sklearn").__version__},
                  "proportions": proportions(), "pairs": pairs_of_counts(), "survival": survival(), "ranks": rank_tests(),
                  "power": powers(),
                  "fisher_power": fisher_powers(), "scores": scores(), "holm": holm(),
                  "paired": paired(), "paired_outcomes": paired_outcomes(), "paired_power": paired_powers(),
                  "stratified_survival": stratified_survival(), "equal_exposures": equal_exposures(),
                  "crossed": crossed()}, default=plain, indent=1))
