# SPDX-License-Identifier: Apache-2.0
"""Recipes' quantizers: the bits of `precipice cast --recipe`, and scales against their definitions."""
import itertools
import pickle
import unittest

import numpy as np
import support

import precipice_numerics as pn

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

SLOTS = (("fprop", "x"), ("fprop", "w"), ("dgrad", "dy"), ("dgrad", "w"), ("wgrad", "dy"), ("wgrad", "x"))
ROWS, COLS, STEPS = 128, 256, 3  # blocks of 128 fill it, as torchao wants


def as_the_program_casts(recipe, gemm, operand, tensors, **options):
    """Values and scales of tensor after tensor: step counts up, and delayed scales have what came before."""
    quantizer, scales = pn.Recipe(recipe).quantizer(operand, gemm), pn.DelayedScales()
    results = []
    for step, tensor in enumerate(tensors):
        results.append(quantizer(tensor, step=step, scales=scales, **options))
        scales.end_step()
    return results


class Quantizers(unittest.TestCase):
    def test_every_operand_of_every_recipe_has_the_values_and_scales_of_the_program(self):
        tensors = [support.numbers((ROWS, COLS), seed) * np.float32(4.0**seed) for seed in range(STEPS)]
        stream = np.stack(tensors)
        cases = list(itertools.product(pn.recipes(), SLOTS))

        def compare(case):
            recipe, (gemm, operand) = case
            values, scales = support.quantized_by_program(stream, ROWS, COLS, "--recipe", recipe, "--gemm", gemm, "--operand",
                                                          operand, "--steps", STEPS, "--seed", 11, "--grid")
            results = as_the_program_casts(recipe, gemm, operand, tensors, seed=11)
            ours = np.concatenate([result.values.reshape(-1) for result in results])
            our_scales = np.concatenate([result.scales.reshape(-1) for result in results])
            return case, support.first_difference(ours, values), support.first_difference(our_scales, scales)

        different = [row for row in support.in_parallel(compare, cases) if row[1:] != ("equal", "equal")]
        self.assertEqual(different, [])
        self.assertEqual(len(cases), 6 * len(pn.recipes()))

    def test_dequantized_values_are_the_program_s(self):
        tensors = [support.numbers((ROWS, COLS), seed) for seed in range(STEPS)]
        stream = np.stack(tensors)
        cases = list(itertools.product(pn.recipes(), (("fprop", "x"), ("wgrad", "dy"))))

        def compare(case):
            recipe, (gemm, operand) = case
            theirs, _ = support.quantized_by_program(stream, ROWS, COLS, "--recipe", recipe, "--gemm", gemm, "--operand",
                                                     operand, "--steps", STEPS)
            results = as_the_program_casts(recipe, gemm, operand, tensors)
            ours = np.concatenate([result.dequantize().reshape(-1) for result in results])
            return case, support.first_difference(ours, theirs)

        self.assertEqual([row for row in support.in_parallel(compare, cases) if row[1] != "equal"], [])

    def test_bfloat16_tensors_have_the_bits_of_the_program(self):
        if ml_dtypes is None:
            self.skipTest("skipped: no ml_dtypes")
        x = support.numbers((ROWS, COLS), 1).astype(ml_dtypes.bfloat16)
        recipes = ("fp8", "mxfp8:arithmetic=microxcaling", "mxfp4", "nvfp4", "torchao-tensorwise")

        def compare(recipe):
            theirs, scales = support.quantized_by_program(x, ROWS, COLS, "--recipe", recipe, "--input", "bf16", "--grid")
            ours = pn.quantize(x, recipe)
            return recipe, support.first_difference(ours.values.reshape(-1), theirs), support.first_difference(
                ours.scales.reshape(-1), scales)

        for said in support.in_parallel(compare, recipes):
            self.assertEqual(said[1:], ("equal", "equal"), said[0])

    def test_a_scale_is_what_its_rule_says(self):
        x = support.numbers((40, 96), 3)
        current = pn.quantize(x, "fp8")
        self.assertEqual(current.multipliers[0, 0], np.float32(448) / np.abs(x).max())
        blocks = pn.quantize(x, "mxfp8:rule=floor")
        self.assertEqual(blocks.scales.shape, (40, 3))
        self.assertEqual(pn.Recipe("mxfp8").quantizer("x").block, (1, 32))
        amaxes = np.abs(x.reshape(40, 3, 32)).max(-1)
        mantissas, exponents = np.frexp(amaxes)  # amax = m 2^e with m in [1/2, 1)
        np.testing.assert_array_equal(blocks.scales, np.exp2(exponents - 1.0 - 8).astype(np.float32))
        down = pn.quantize(x, "mxfp8:rule=floor", "x", "wgrad")
        self.assertEqual(down.scales.shape, (2, 96))  # 40 rows are a block of 32 and the rest
        self.assertEqual(down.quantizer.axis, -2)

    def test_codes_are_those_of_the_values(self):
        q = pn.quantize(support.numbers((16, 64), 4), "mxfp4")
        np.testing.assert_array_equal(pn.Format("e2m1").decode(q.codes()), q.values)

    def test_leading_axes_are_rows(self):
        x = support.numbers((4, 8, 64), 5)
        batch, flat = pn.quantize(x, "mxfp8"), pn.quantize(x.reshape(32, 64), "mxfp8")
        self.assertEqual(batch.values.shape, x.shape)
        self.assertTrue(support.same_bits(batch.values.reshape(32, 64), flat.values))
        self.assertTrue(support.same_bits(batch.scales, flat.scales))
        self.assertEqual(batch.dequantize().shape, x.shape)

    def test_neither_threads_nor_the_type_of_results_change_values(self):
        x = support.numbers((512, 512), 6)
        for recipe in ("fp8", "mxfp8", "te-block", "nvfp4"):
            one, many = (pn.quantize(x, recipe, "dy", "wgrad", seed=1, threads=n) for n in (1, 5))
            self.assertTrue(support.same_bits(one.values, many.values), recipe)
            self.assertTrue(support.same_bits(one.scales, many.scales), recipe)
            self.assertEqual(one.events, many.events)
            if ml_dtypes is not None and not one.quantizer.is_rotated:
                packed = pn.quantize(x, recipe, "dy", "wgrad", seed=1, dtype="bfloat16")
                np.testing.assert_array_equal(packed.values.astype(np.float32), one.values)

    def test_delayed_scales_are_saved_and_restored(self):
        tensors = [support.numbers((4, 64), seed) * np.float32(2.0**seed) for seed in range(6)]
        quantizer, scales = pn.Recipe("te-delayed:history=4").quantizer("x"), pn.DelayedScales()
        self.assertTrue(quantizer.is_delayed)
        for tensor in tensors[:3]:
            quantizer(tensor, scales=scales)
            scales.end_step()
        copies = [pn.DelayedScales(), pickle.loads(pickle.dumps(scales))]
        copies[0].load_state_dict(scales.state_dict())
        for tensor in tensors[3:]:
            expected = quantizer(tensor, scales=scales)
            for copy in copies:
                self.assertTrue(support.same_bits(quantizer(tensor, scales=copy).values, expected.values))
                copy.end_step()
            scales.end_step()
        with self.assertRaisesRegex(pn.DataError, "not the name"):
            scales.load_state_dict({"weight": [1.0]})

    def test_a_recipe_tells_what_it_is(self):
        recipe = pn.Recipe("MXFP8-rceil")
        self.assertEqual((recipe.text, recipe.name), ("mxfp8:rule=rceil", "mxfp8"))
        self.assertIn("rule", recipe.options)
        self.assertTrue(recipe.citation)
        self.assertEqual(pickle.loads(pickle.dumps(recipe)), recipe)
        self.assertEqual(str(pickle.loads(pickle.dumps(recipe.quantizer("w", "dgrad")))), str(recipe.quantizer("w", "dgrad")))
        for name in pn.recipes():
            for gemm, operand in SLOTS:
                self.assertTrue(str(pn.Recipe(name).quantizer(operand, gemm)))

    def test_words_that_are_none_are_named(self):
        for text, problem in (("mxpf8", "did you mean mxfp8"), ("mxfp8:rle=floor", "did you mean rule"),
                              ("mxfp8:rule=flor", "floor"), ("mxfp8:rule", "needs a value")):
            with self.assertRaisesRegex(pn.ConfigError, problem):
                pn.Recipe(text)
        recipe = pn.Recipe("fp8")
        for arguments, problem in ((("z",), "operand"), (("dy", "fprop"), "fprop has x and w"), (("x", "bwd"), "fprop, dgrad"),
                                   (("x", "fprop", "mlp"), "linear, attention or lm_head")):
            with self.assertRaisesRegex(pn.ConfigError, problem):
                recipe.quantizer(*arguments)
        with self.assertRaisesRegex(pn.ConfigError, "128"):
            pn.quantize(np.ones((3, 100), np.float32), "te-block:arithmetic=torchao")


if __name__ == "__main__":
    unittest.main()
