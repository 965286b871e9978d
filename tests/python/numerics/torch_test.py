# SPDX-License-Identifier: Apache-2.0
"""Layers for PyTorch: forward and backward pass have the bits of the program's products, and a model trains."""
import copy
import io
import pickle
import unittest

import numpy as np
import support

import precipice_numerics as pn

try:
    import torch
    import precipice_numerics.torch as pt
except ImportError:
    torch = None

IN, OUT, TOKENS = 64, 128, 96


def by_program(gemm, first, second, shape, *arguments):
    data = np.ascontiguousarray(first).tobytes() + np.ascontiguousarray(second).tobytes()
    m, n, k = shape
    return np.frombuffer(support.run(["gemm", "--gemm", gemm, "--shape", f"{m}x{n}x{k}", *arguments], data),
                         np.float32).reshape(m, n)


@unittest.skipIf(torch is None, "skipped: no PyTorch")
class Layers(unittest.TestCase):
    def setUp(self):
        self.x = torch.from_numpy(support.numbers((TOKENS, IN), 1, 6)).requires_grad_()
        self.dy = torch.from_numpy(support.numbers((TOKENS, OUT), 2, 6) * np.float32(1e-3))

    def layer(self, recipe="mxfp8", accumulator="fp32", **options):
        torch.manual_seed(0)
        return pt.QuantizedLinear(IN, OUT, recipe=recipe, accumulator=accumulator, **options)

    def test_forward_and_backward_have_the_bits_of_the_program(self):
        cases = [(recipe, "fp32") for recipe in pn.recipes() if not recipe.startswith(("te-block", "deepseek", "e8m", "ms-amp"))]
        cases += [("fp8", "native"), ("mxfp8", "native"), ("nvfp4", "native"), ("e8m3", "fp32"), ("ms-amp-o2", "hopper-fp8")]

        def compare(case):
            recipe, accumulator = case
            common = ["--recipe", recipe, "--accumulator", accumulator, "--seed", "3"]
            layer = pt.QuantizedLinear(IN, OUT, False, recipe, accumulator, numerics=pt.Numerics(seed=3))
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(support.numbers((OUT, IN), 4, 6)))
            x = self.x.detach().clone().requires_grad_()
            y = layer(x)
            y.backward(self.dy)
            w = layer.weight.detach().numpy()
            given, gradient = x.detach().numpy(), self.dy.numpy()
            expected = {"y": (y.detach(), by_program("fprop", given, w, (TOKENS, OUT, IN), *common)),
                        "dx": (x.grad, by_program("dgrad", gradient, w, (TOKENS, IN, OUT), *common)),
                        "dw": (layer.weight.grad, by_program("wgrad", gradient, given, (OUT, IN, TOKENS), *common))}
            return [(case, name, said) for name, (ours, theirs) in expected.items()
                    if (said := support.first_difference(ours.numpy(), theirs)) != "equal"]

        self.assertEqual([row for rows in support.in_parallel(compare, cases) for row in rows], [])

    def test_a_tensor_is_cast_to_the_bits_of_the_program(self):
        for tensor, word in ((self.x.detach(), "f32"), (self.x.detach().double() * 1.1, "f64"), (self.x.detach().bfloat16(), "bf16")):
            raw = tensor.view(torch.int16).numpy() if word == "bf16" else tensor.numpy()
            theirs = support.cast_by_program(raw, "--format", "e4m3", "--input", word).reshape(TOKENS, IN)
            self.assertEqual(support.first_difference(pn.cast(tensor, "e4m3"), theirs), "equal", word)
            self.assertEqual(support.first_difference(pt.cast(tensor, "e4m3").numpy(), theirs), "equal", word)
        self.assertTrue(support.same_bits(pn.cast(self.x.detach().T, "e4m3"), np.ascontiguousarray(pn.cast(self.x.detach(), "e4m3").T)))
        pt.cast(self.x, "e4m3").sum().backward()
        self.assertTrue(torch.equal(self.x.grad, torch.ones_like(self.x)))

    def test_a_recipe_that_rounds_nothing_is_nearly_nn_linear(self):
        plain = torch.nn.Linear(IN, OUT)
        layer = pt.QuantizedLinear.from_linear(plain, "fp32")
        self.assertIs(layer.weight, plain.weight)
        batch = self.x.detach().reshape(4, TOKENS // 4, IN)
        grads = []
        for module in (plain, layer):
            plain.weight.grad = plain.bias.grad = None
            x = batch.clone().requires_grad_()
            y = module(x)
            self.assertEqual(y.shape, (4, TOKENS // 4, OUT))
            y.square().sum().backward()
            grads.append((y.detach(), x.grad, plain.weight.grad.clone(), plain.bias.grad.clone()))
        for ours, theirs in zip(*grads):
            # Sums of up to 128 float32 products in two orders.
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
        one = layer(self.x.detach()[0])
        self.assertEqual(one.shape, (OUT,))

    def test_five_lines_try_a_recipe_on_a_model(self):
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(IN, 32), torch.nn.GELU(), torch.nn.Linear(32, 1))
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        numerics = pt.quantize_linears(model, "te-delayed", "native", seed=1)
        self.assertEqual([type(module).__name__ for module in model], ["QuantizedLinear", "GELU", "QuantizedLinear"])
        target = self.x.detach()[:, :1]
        losses = []
        for step in range(30):
            loss = (model(self.x.detach()) - target).square().mean()
            loss.backward()
            self.assertEqual(numerics.step, step)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        self.assertEqual(numerics.step, 30)
        self.assertLess(losses[-1], 0.5 * losses[0])
        self.assertIn("recipe=te-delayed", repr(model))
        self.assertEqual(set(model.state_dict()), {"0.weight", "0.bias", "2.weight", "2.bias"})
        self.assertGreater(len(numerics.scales.state_dict()), 6)

    def test_steps_draw_other_words_and_evaluation_leaves_scales_alone(self):
        layer = self.layer("nvfp4")

        def gradient():
            layer.weight.grad = None
            layer(self.x.detach()).backward(self.dy)
            return layer.weight.grad.clone()

        first = gradient()
        self.assertTrue(torch.equal(first, gradient()))
        layer.numerics.end_step()
        self.assertFalse(torch.equal(first, gradient()))
        delayed = self.layer("te-delayed").eval()
        delayed(self.x.detach())
        delayed.numerics.end_step()
        history = [values[3:] for values in delayed.numerics.scales.state_dict().values()]
        self.assertTrue(all(set(values) <= {0.0} for values in history))

    def test_an_optimizer_of_another_model_ends_no_step(self):
        layer = self.layer()
        other = torch.nn.Linear(2, 2)
        other(torch.ones(2)).sum().backward()
        torch.optim.SGD(other.parameters(), 0.1).step()
        self.assertEqual(layer.numerics.step, 0)

    def test_models_are_copied_saved_and_go_on_alike(self):
        model = torch.nn.Sequential(torch.nn.Linear(IN, OUT), torch.nn.Linear(OUT, 8))
        pt.quantize_linears(model, "te-delayed")

        def step(module):
            optimizer = torch.optim.SGD(module.parameters(), 1e-2)
            module(self.x.detach()).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

        step(model)
        stored = io.BytesIO()
        pickle.dump(model, stored)
        copies = [copy.deepcopy(model), pickle.loads(stored.getvalue())]
        for module in (model, *copies):
            self.assertIs(module[0].numerics, module[1].numerics)
            step(module)
            self.assertEqual(module[0].numerics.step, 2)
        for module in copies:
            self.assertTrue(torch.equal(module[0].weight, model[0].weight))
        saved = model[0].numerics.state_dict()
        fresh = pt.Numerics()
        fresh.load_state_dict(saved)
        self.assertEqual(fresh.state_dict(), saved)

    def test_modules_are_skipped_by_name_and_shared_ones_stay_shared(self):
        inner = torch.nn.Linear(4, 4)
        model = torch.nn.ModuleDict({"a": inner, "b": inner, "head": torch.nn.Linear(4, 4)})
        pt.quantize_linears(model, "mxfp8", skip=["he*"])
        self.assertIs(model["a"], model["b"])
        self.assertIsInstance(model["a"], pt.QuantizedLinear)
        self.assertNotIsInstance(model["head"], pt.QuantizedLinear)

    def test_what_cannot_be_is_refused_by_name(self):
        layer = self.layer()
        for x, problem in ((self.x.detach().double(), "x is torch.float64"), (self.x.detach().bfloat16(), "torch.bfloat16"),
                           (self.x.detach().to("meta"), "on meta")):
            with self.assertRaisesRegex(TypeError, problem):
                layer(x)
        with self.assertRaisesRegex(ValueError, "sums over 5 and 64 products"):
            layer(torch.zeros(3, 5))
        with self.assertRaisesRegex(pn.ConfigError, "did you mean mxfp8"):
            self.layer("mxpf8")
        with self.assertRaisesRegex(ValueError, "no torch.nn.Linear"):
            pt.quantize_linears(torch.nn.ReLU())
        with self.assertRaisesRegex(TypeError, "x: the Tensor does not hand over its memory.*detach"):
            pn.cast(self.x, "e4m3")
        with self.assertRaisesRegex(TypeError, "dtype int64"):
            pn.cast(torch.arange(3), "e4m3")


if __name__ == "__main__":
    unittest.main()
