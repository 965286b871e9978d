# SPDX-License-Identifier: Apache-2.0
"""Formats and casts: the bits of `precipice formats` and `precipice cast`, ml_dtypes' casts, and codes both ways."""
import itertools
import json
import pickle
import unittest

import numpy as np
import support

import precipice_numerics as pn

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

OF_ML_DTYPES = {"bf16": "bfloat16", "e5m2": "float8_e5m2", "e4m3": "float8_e4m3fn", "e4m3fnuz": "float8_e4m3fnuz",
                "e5m2fnuz": "float8_e5m2fnuz", "e4m3b11fnuz": "float8_e4m3b11fnuz", "e3m4": "float8_e3m4",
                "gaudi_e4m3": "float8_e4m3", "e3m2": "float6_e3m2fn", "e2m3": "float6_e2m3fn", "e2m1": "float4_e2m1fn"}


class Formats(unittest.TestCase):
    def test_facts_are_those_that_the_program_prints(self):
        names = {"bits": "bits", "exponent_bits": "exponent_bits", "mantissa_bits": "mantissa_bits", "largest": "max",
                 "lowest": "lowest", "smallest_normal": "min_normal", "smallest_positive": "min_positive",
                 "epsilon": "epsilon", "infinity": "has_infinity", "nan": "has_nan", "zero": "zero",
                 "minus_zero": "has_minus_zero", "citation": "citation"}
        told = support.in_parallel(lambda name: json.loads(support.run(["formats", name, "--json"])), pn.presets())
        for (name, format), facts in zip(pn.presets().items(), told):
            self.assertEqual(facts["name"], format.spelling)
            for theirs, ours in names.items():
                if facts[theirs] is None:  # no number: of fixed point
                    continue
                expected = float(facts[theirs]) if facts[theirs] in ("nan", "inf", "-inf") else facts[theirs]
                np.testing.assert_equal(getattr(format, ours), expected, f"{name} {theirs}")

    def test_values_of_all_codes_are_those_of_ml_dtypes(self):
        if ml_dtypes is None:
            self.skipTest("skipped: no ml_dtypes")
        for name, theirs in OF_ML_DTYPES.items():
            format = pn.Format(name)
            dtype = np.dtype(getattr(ml_dtypes, theirs))
            codes = np.arange(2**format.bits, dtype=np.uint16 if format.bits > 8 else np.uint8)
            expected = codes.view(dtype).astype(np.float32)
            np.testing.assert_array_equal(format.values(), expected, name)

    def test_ends_and_steps_are_those_of_the_values(self):
        for name, format in pn.presets().items():
            if format.bits > 16:
                continue
            values = format.values()
            finite = values[np.isfinite(values)]
            self.assertEqual(format.max, finite.max(), name)
            self.assertEqual(format.min_positive, finite[finite > 0].min(), name)
            self.assertEqual(format.has_infinity, bool(np.isinf(values).any()), name)
            self.assertEqual(format.has_nan, bool(np.isnan(values).any()), name)
            self.assertEqual(format.zero, bool((values == 0).any()), name)
            self.assertEqual(format.has_minus_zero, bool(((values == 0) & np.signbit(values)).any()), name)
            if not format.is_fixed_point and format.max >= 2 and format.lowest < 0:
                above_one = finite[finite > 1].min()
                self.assertEqual(format.epsilon, above_one - 1, name)

    def test_codes_come_back(self):
        for name, format in pn.presets().items():
            if format.bits > 16:
                continue
            codes = np.arange(2**format.bits).astype(format.code_dtype)
            values = format.values()
            back = format.encode(values)
            self.assertEqual(back.dtype, format.code_dtype)
            # Formats that flush have several codes of one value; NaN of one code may come back as another NaN.
            again = format.decode(back)
            np.testing.assert_array_equal(again, values, name)
            is_number = ~np.isnan(values)
            if format.subnormals in ("keep", "none"):
                np.testing.assert_array_equal(back[is_number], codes[is_number], name)

    def test_a_spelling_is_the_shortest_and_comes_back(self):
        for text in ("e4m3", "E4M3", "e4m3:bias=8", "e5m10", "q3.4", "e0m7:lsb=-6,sign=twos", "e2m1:subnormals=flush"):
            format = pn.Format(text)
            self.assertEqual(pn.Format(format.spelling), format)
            self.assertEqual(hash(pn.Format(format.spelling)), hash(format))
            self.assertEqual(pickle.loads(pickle.dumps(format)), format)
        self.assertEqual(pn.Format("e5m10").spelling, "fp16")

    def test_what_is_no_format_or_no_code_is_refused_by_name(self):
        for text, problem in (("e4m33", "mantissa"), ("e4mm3", "did you mean e4m3"), ("e4m3:bais=8", "bias"), ("", "format")):
            with self.assertRaisesRegex(pn.ConfigError, problem):
                pn.Format(text)
        with self.assertRaisesRegex(TypeError, "not int"):
            pn.Format(8)
        e2m1 = pn.Format("e2m1")
        with self.assertRaisesRegex(ValueError, "element 1 is 16; codes of e2m1 are 0 to 15"):
            e2m1.decode(np.array([3, 16]))
        with self.assertRaisesRegex(ValueError, "element 0 is -1"):
            e2m1.decode([-1])
        with self.assertRaisesRegex(TypeError, "float64"):
            e2m1.decode([1.5])
        with self.assertRaisesRegex(ValueError, "element 1 is .*2.5.* cast"):
            e2m1.encode([2.0, 2.5])
        with self.assertRaisesRegex(pn.ConfigError, "no code for NaN"):
            e2m1.encode([np.nan])
        with self.assertRaisesRegex(ValueError, "2\\^32 codes"):
            pn.Format("fp32").values()


class Casts(unittest.TestCase):
    def test_every_preset_and_mode_has_the_bits_of_the_program(self):
        x = np.concatenate([support.awkward_numbers(), support.numbers(4096, 1)])
        overflows = itertools.cycle(pn.overflows())
        cases = [(name, rounding, next(overflows), bits)
                 for (name, rounding), bits in zip(itertools.product(pn.presets(), pn.roundings()), itertools.cycle((32, 8, 13)))]

        def compare(case):
            name, rounding, overflow, bits = case
            stochastic = rounding.startswith("sr")
            options = ["--random-bits", bits, "--seed", 5, "--step", 3, "--site", 2, "--operand", 4,
                       "--first-element", 1000] if stochastic else []
            theirs = support.cast_by_program(x, "--format", name, "--rounding", rounding, "--overflow", overflow, *options)
            mine = {"random_bits": bits, "seed": 5, "step": 3, "site": 2, "operand": 4, "first_element": 1000}
            ours = pn.cast(x, name, rounding, overflow, **mine)
            return case, support.first_difference(ours, theirs)

        different = [(case, said) for case, said in support.in_parallel(compare, cases) if said != "equal"]
        self.assertEqual(different, [])
        self.assertEqual(len(cases), len(pn.presets()) * 9)

    def test_every_input_type_has_the_bits_of_the_program(self):
        x = np.concatenate([support.awkward_numbers(), support.numbers(4096, 2)])
        wide = x.astype(np.float64) * (1 + 2.0**-30)  # between float32 numbers
        with np.errstate(over="ignore"):
            half = x.astype(np.float16)
        inputs = {"f64": wide, "f16": half}
        if ml_dtypes is not None:
            inputs["bf16"] = x.astype(ml_dtypes.bfloat16)
        for word, given in inputs.items():
            for rounding in ("rne", "rtz", "sr"):
                theirs = support.cast_by_program(given, "--format", "e4m3", "--input", word, "--rounding", rounding)
                ours = pn.cast(given, "e4m3", rounding)
                self.assertEqual(support.first_difference(ours, theirs), "equal", (word, rounding))

    def test_float64_is_rounded_once(self):
        # Just above a tie of e4m3: in float32 it would be the tie, and go down to even.
        self.assertEqual(pn.cast(1.0625 + 2.0**-40, "e4m3"), 1.125)
        self.assertEqual(pn.cast(np.float32(1.0625), "e4m3"), 1.0)

    def test_nearest_even_is_what_ml_dtypes_rounds_to(self):
        if ml_dtypes is None:
            self.skipTest("skipped: no ml_dtypes")
        x = np.concatenate([support.awkward_numbers(), support.numbers(20000, 3)])
        for name, theirs in OF_ML_DTYPES.items():
            if not pn.Format(name).has_nan:
                continue
            with np.errstate(all="ignore"):
                expected = x.astype(getattr(ml_dtypes, theirs)).astype(np.float32)
            np.testing.assert_array_equal(pn.cast(x, name, "rne", "native"), expected, name)

    def test_neither_threads_nor_cuts_change_stochastic_bits(self):
        x = support.numbers(300_001, 4)
        whole = pn.cast(x, "e5m2", "sr", seed=9, threads=1)
        self.assertTrue(support.same_bits(whole, pn.cast(x, "e5m2", "sr", seed=9, threads=7)))
        cut = [pn.cast(x[a:b], "e5m2", "sr", seed=9, first_element=a) for a, b in ((0, 1), (1, 70_003), (70_003, len(x)))]
        self.assertTrue(support.same_bits(whole, np.concatenate(cut)))
        self.assertFalse(support.same_bits(whole, pn.cast(x, "e5m2", "sr", seed=10)))

    def test_the_mean_of_stochastic_rounding_is_the_number(self):
        # 0.3 lies between 0.28125 and 0.3125 of e4m3; n = 10^6 draws, so that four standard errors are below 6.3e-5.
        mean = pn.cast(np.full(10**6, 0.3), "e4m3", "sr", seed=1).mean(dtype=np.float64)
        self.assertLess(abs(mean - 0.3), 6.3e-5)

    def test_events_are_counted(self):
        x = np.array([np.nan, 1e9, np.inf, 1e-9, 0.005, 0.3, 0.0], np.float32)
        values, events = pn.cast(x, "e4m3", events=True)
        self.assertEqual(events[:6], (7, 1, 2, 0, 1, 1))
        self.assertTrue(np.isnan(events.amax))
        self.assertEqual(values[1], 448)
        native = pn.cast(x, "e5m2", "rne", "native", events=True)[1]
        self.assertEqual((native.saturated, native.overflowed), (0, 2))

    def test_results_go_where_they_are_asked_to(self):
        x = support.numbers((3, 50), 5)
        expected = pn.cast(x, "e4m3")
        out = np.zeros_like(x)
        self.assertIs(pn.cast(x, "e4m3", out=out), out)
        self.assertTrue(support.same_bits(out, expected))
        again = x.copy()
        pn.cast(again, "e4m3", out=again)
        self.assertTrue(support.same_bits(again, expected))
        if ml_dtypes is None:
            return
        packed = pn.cast(x, "e4m3", dtype="bfloat16")
        self.assertEqual(packed.dtype, ml_dtypes.bfloat16)
        np.testing.assert_array_equal(packed.astype(np.float32), expected)
        np.testing.assert_array_equal(pn.cast(x.astype(np.float64), "e4m3", dtype="bfloat16").astype(np.float32), expected)
        with self.assertRaisesRegex(pn.ConfigError, "bfloat16 has not"):
            pn.cast(x, "fp16", dtype="bfloat16")

    def test_words_and_numbers_that_are_none_are_named(self):
        for arguments, options, problem in ((("e4m3", "nearest"), {}, "rne"), (("e4m3", "rne", "wrap"), {}, "saturate"),
                                            (("e4m3", "sr"), {"random_bits": 33}, "random_bits .* 1 to 32, not 33"),
                                            (("e4m3", "sr"), {"seed": -1}, "seed .* not -1"),
                                            (("e4m3",), {"threads": 0}, "threads"),
                                            (("e4m3",), {"dtype": "float16"}, "dtype"),
                                            (("e4m3", "sr"), {"first_element": 2**50 - 1}, "random words")):
            with self.assertRaisesRegex(ValueError, problem):
                pn.cast([1.0, 2.0], *arguments, **options)
        with self.assertRaisesRegex(TypeError, "seed must be a whole number"):
            pn.cast([1.0], "e4m3", "sr", seed=1.5)


if __name__ == "__main__":
    unittest.main()
