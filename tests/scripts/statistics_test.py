# SPDX-License-Identifier: Apache-2.0
"""Bands, decimation and censoring, against published numbers and small cases worked by hand."""

import unittest

import support
import numpy as np

from precipice.report.statistics import Band, Curve, decimate, seed_band


def curve(values, diverged=False, first=0) -> Curve:
    return Curve(np.arange(first, first + len(values)), np.array(values, dtype=float), diverged)


class SeedBand(unittest.TestCase):
    def test_lowest_median_highest(self) -> None:
        band = seed_band([curve([1, 2]), curve([3, 9]), curve([2, 4])])
        self.assertEqual([band.low.tolist(), band.middle.tolist(), band.high.tolist()], [[1, 2], [2, 4], [3, 9]])

    def test_a_diverged_run_counts_as_worst_after_its_end(self) -> None:
        band = seed_band([curve([1, 1, 1]), curve([2, 2, 2]), curve([5], diverged=True)])
        self.assertEqual(band.middle.tolist(), [2, 2, 2])  # of the survivors alone it would fall to 1.5
        self.assertEqual(band.high.tolist(), [5, 2, 2])

    def test_the_median_ends_where_half_have_diverged(self) -> None:
        band = seed_band([curve([1, 1, 1]), curve([2, np.nan, np.nan], diverged=True)])
        self.assertEqual(band.middle[0], 1.5)
        self.assertTrue(np.isnan(band.middle[1:]).all())
        self.assertEqual(band.low.tolist(), [1, 1, 1])

    def test_a_run_that_is_short_for_another_reason_ends_the_median(self) -> None:
        band = seed_band([curve([1, 1]), curve([2]), curve([3, 3])])
        self.assertEqual(band.middle[0], 2)
        self.assertTrue(np.isnan(band.middle[1]))

    def test_nothing_and_only_nan(self) -> None:
        self.assertEqual(len(seed_band([]).steps), 0)
        band = seed_band([curve([np.nan, np.nan]), curve([])])
        self.assertTrue(np.isnan(band.middle).all() and np.isnan(band.high).all())


class Decimation(unittest.TestCase):
    def test_a_spike_of_one_step_survives_at_its_place(self) -> None:
        steps = np.arange(100_000)
        high = np.ones(len(steps))
        high[54_321] = 9.0
        low = np.zeros(len(steps))
        low[77] = -3.0
        thin = decimate(Band(steps, low, (low + high) / 2, high), 300)
        self.assertLessEqual(len(thin.steps), 300)
        self.assertEqual(np.nanmax(thin.high), 9.0)
        self.assertEqual(np.nanmin(thin.low), -3.0)
        self.assertAlmostEqual(thin.steps[np.argmax(thin.high)], 54_321, delta=100_000 / 300)

    def test_short_series_stay_as_they_are(self) -> None:
        band = seed_band([curve([1, 2, 3])])
        self.assertIs(decimate(band, 3), band)

    def test_gaps_stay_gaps_and_do_not_pull_the_mean(self) -> None:
        steps = np.arange(1000)
        values = np.full(1000, 2.0)
        values[250:260] = np.nan
        values[500:] = np.nan
        thin = decimate(Band(steps, values, values, values), 10)
        self.assertEqual(thin.middle[:5].tolist(), [2.0] * 5)
        self.assertTrue(np.isnan(thin.middle[5:]).all())


class Censoring(unittest.TestCase):
    def test_a_diverged_run_stands_behind_every_number_and_is_never_left_out(self) -> None:
        cell = support.cell([2.0, 2.2, 2.3], diverged=2, initial=4.0)
        self.assertEqual((cell.diverged, len(cell.ended)), (2, 5))
        self.assertEqual(cell.median_loss, 2.3)  # the third of five; of the survivors alone it would be 2.2
        self.assertEqual(cell.loss_range(), (2.0, 2.3))
        half = support.cell([2.0, 2.2], diverged=2, initial=4.0)
        self.assertTrue(np.isnan(half.median_loss))  # no loss is the middle one

    def test_runs_without_an_end_count_nowhere(self) -> None:
        cell = support.cell([2.0], diverged=0, initial=4.0, states=["running", "failed", "interrupted"])
        self.assertEqual((len(cell.runs), len(cell.ended), cell.diverged, cell.median_loss), (4, 1, 0, 2.0))

    def test_all_diverged(self) -> None:
        cell = support.cell([], diverged=3, initial=4.0)
        self.assertTrue(np.isnan(cell.median_loss))
        self.assertTrue(np.isnan(cell.loss_range()).all())


if __name__ == "__main__":
    unittest.main()
