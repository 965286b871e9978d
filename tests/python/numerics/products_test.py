# SPDX-License-Identifier: Apache-2.0
"""Products: the bits of `precipice gemm` for every recipe and GEMM, for units of hardware, and sums by plain loops."""
import itertools
import pickle
import unittest

import numpy as np
import support

import precipice_numerics as pn

M, N, K = 128, 256, 128
SHAPES = {"fprop": ((M, K), (N, K)), "dgrad": ((M, K), (K, N)), "wgrad": ((K, M), (K, N))}


def operands(gemm, seed):
    """Of the sizes of a training step: x and w about 1, gradients small."""
    small = np.float32(1e-3) if gemm != "fprop" else np.float32(1)
    first, second = SHAPES[gemm]
    return support.numbers(first, seed, 6) * small, support.numbers(second, seed + 1, 6)


def by_program(gemm, first, second, *arguments):
    data = first.tobytes() + second.tobytes()
    return np.frombuffer(support.run(["gemm", "--gemm", gemm, "--shape", f"{M}x{N}x{K}", *arguments], data),
                         np.float32).reshape(M, N)


class Products(unittest.TestCase):
    def compare_all(self, cases):
        def compare(case):
            recipe, gemm, accumulator = case
            first, second = operands(gemm, 3)
            theirs = by_program(gemm, first, second, "--recipe", recipe, "--accumulator", accumulator, "--seed", 5)
            ours = pn.gemm(first, second, recipe, gemm, accumulator=accumulator, seed=5)
            return case, support.first_difference(ours, theirs)

        self.assertEqual([row for row in support.in_parallel(compare, cases) if row[1] != "equal"], [])

    def test_every_gemm_of_every_recipe_has_the_bits_of_the_program(self):
        cases = list(itertools.product(pn.recipes(), SHAPES, ["fp32"]))
        self.compare_all(cases)
        self.assertEqual(len(cases), 3 * len(pn.recipes()))

    def test_sums_of_hardware_and_of_formats_are_those_of_the_program(self):
        native = [(recipe, gemm, "native") for recipe in ("fp8", "te-delayed", "te-block", "mxfp8", "nvfp4", "bf16", "deepseek-v3")
                  for gemm in SHAPES]
        others = [("fp8", "fprop", accumulator) for accumulator in (
            "hopper-fp8", "hopper-fp8:promote=128", "ada-fp8", "blackwell-fp8", "every:format=e8m13,rounding=rtz",
            "every:format=bf16,rounding=sr,random=9", "chunk:size=32,format=fp16")]
        self.compare_all(native + others + [("mxfp8", "dgrad", "blackwell-mxf8"), ("torchao-tensorwise:scales=operand", "wgrad", "fp32")
                                            if "scales" in pn.Recipe("torchao-tensorwise").options else ("mxfp8", "wgrad", "fp32")])

    def test_numbers_of_formats_are_multiplied_as_they_are(self):
        e4m3, e5m2 = pn.Format("e4m3"), pn.Format("e5m2")
        first, second = pn.cast(support.numbers((M, K), 1, 4), e4m3), pn.cast(support.numbers((N, K), 2, 4), e5m2)
        for accumulator, result in (("hopper-fp8", "fp32"), ("tensor-core:bits=12,group=16", "bf16")):
            theirs = by_program("fprop", first, second, "--operands", "e4m3,e5m2", "--accumulator", accumulator, "--result", result)
            ours = pn.gemm(first, second, operands=(e4m3, "e5m2"), accumulator=accumulator, result=result)
            self.assertEqual(support.first_difference(ours, theirs), "equal", accumulator)
        with self.assertRaisesRegex(pn.ConfigError, r"element \(0, 1\) of the second operand is 0.3.* e5m2 has not"):
            pn.gemm(np.ones((1, 2), np.float32), np.array([[1, 0.3]], np.float32), operands=("e4m3", "e5m2"))

    def test_sums_in_fp32_are_those_of_a_plain_loop(self):
        x, w = support.numbers((5, 37), 1, 3), support.numbers((4, 37), 2, 3)
        expected = np.zeros((5, 4), np.float32)
        for i, j, k in itertools.product(range(5), range(4), range(37)):
            # Both in float64: a product of float32 numbers is exact there, and the sum is rounded to float32 once more.
            expected[i, j] = np.float32(np.float64(expected[i, j]) + np.float64(x[i, k]) * np.float64(w[j, k]))
        np.testing.assert_array_equal(pn.gemm(x, w), expected)

    def test_a_bias_is_added_before_the_result_is_rounded(self):
        x, w, bias = np.ones((1, 16), np.float32), np.ones((1, 16), np.float32), np.array([2.0**-5], np.float32)
        # 16 + 2^-5 lies below half of a place of bf16 at 16 (2^-3); added after rounding it would be there as well.
        self.assertEqual(pn.gemm(x, w, "bf16", bias=bias)[0, 0], 16)
        self.assertEqual(pn.gemm(x, w, "fp32", bias=bias)[0, 0], 16 + 2.0**-5)

    def test_leading_axes_are_rows_and_threads_change_nothing(self):
        x, w = support.numbers((3, 48, 64), 1), support.numbers((40, 64), 2)
        y = pn.gemm(x, w, "nvfp4", seed=1, threads=1)
        self.assertEqual(y.shape, (3, 48, 40))
        self.assertTrue(support.same_bits(y.reshape(144, 40), pn.gemm(x.reshape(144, 64), w, "nvfp4", seed=1, threads=5)))
        dw = pn.gemm(y, x, "nvfp4", "wgrad", seed=1)
        self.assertEqual(dw.shape, w.shape)

    def test_evaluation_draws_other_words_and_leaves_scales_alone(self):
        x, w = support.numbers((32, 64), 1), support.numbers((32, 64), 2)
        linear, scales = pn.Linear("te-delayed"), pn.DelayedScales()
        linear.gemm("fprop", x, w, scales=scales, evaluation=True)
        scales.end_step()
        self.assertTrue(all(len(set(values[3:])) <= 1 for values in scales.state_dict().values()))
        before = scales.state_dict()
        linear.gemm("fprop", x, w, scales=scales)
        scales.end_step()
        self.assertNotEqual(scales.state_dict(), before)
        stochastic = pn.Linear("nvfp4")
        trained, evaluated = (stochastic.gemm("dgrad", x, w.T, evaluation=e) for e in (False, True))
        self.assertFalse(support.same_bits(trained, evaluated))

    def test_shapes_and_words_that_do_not_fit_are_named(self):
        x = np.ones((2, 3), np.float32)
        for arguments, options, problem in (
            ((x, np.ones((2, 4), np.float32)), {}, "sums over 3 and 4 products"),
            ((x, x, "fp32", "bwd"), {}, "fprop, dgrad, wgrad"),
            ((x, x), {"accumulator": "library"}, "matrix library"),
            ((x, x), {"accumulator": "hoper-fp8"}, "did you mean hopper"),
            ((x, x, "fp32"), {"accumulator": "hopper-fp8"}, "hopper-fp8 multiplies e4m3 or e5m2.*, not fp32"),
            ((x, x), {"accumulator": "native"}, "no hardware"),
            ((x, x), {"bias": [1.0, 2.0, 3.0]}, r"bias has shape \(3,\).* \(2,\)"),
            ((x, x, "fp32", "wgrad"), {"bias": [1.0, 2.0, 3.0]}, "bias belongs to fprop"),
            ((x[0], x), {}, "at least 2 axes"),
            ((x[:, :0], x[:, :0]), {}, "sums of no products"),
            ((x, x), {"out": x[:, :2].copy().T}, "C-contiguous"),
            ((np.ones((2, 2), np.float32),) * 2, {"out": "same"}, "overlap|writable"),
        ):
            if options.get("out") is not None and isinstance(options["out"], str):
                options["out"] = arguments[1]
            with self.assertRaisesRegex(ValueError, problem, msg=problem):
                pn.gemm(*arguments, **options)
        self.assertEqual(pn.gemm(x[:0], x).shape, (0, 2))
        with self.assertRaisesRegex(TypeError, "out must be a NumPy array"):
            pn.gemm(x, x, out="same")

    def test_a_linear_tells_what_it_does_and_can_be_copied(self):
        linear = pn.Linear("fp8", "native", result="fp32")
        self.assertIn("hopper-fp8", repr(linear))
        copied = pickle.loads(pickle.dumps(linear))
        self.assertEqual(repr(copied), repr(linear))
        self.assertEqual(repr(pickle.loads(pickle.dumps(pn.Linear(operands=("e4m3", "e2m1"))))),
                         repr(pn.Linear(operands=("e4m3", "e2m1"))))
        self.assertIn("hopper-fp8", pn.accumulators())


if __name__ == "__main__":
    unittest.main()
