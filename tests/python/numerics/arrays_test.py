# SPDX-License-Identifier: Apache-2.0
"""Arrays of every kind: right results, or one error that names the argument and what is allowed; nothing copied in vain."""
import array
import doctest
import inspect
import threading
import time
import unittest

import numpy as np
import support

import precipice_numerics as pn
from precipice_numerics import _arrays

X = support.numbers((6, 10), 1)
EXPECTED = pn.cast(X.copy(), "e4m3")


class DLPackOnly:
    """An array that is nothing but DLPack, as other libraries' are."""

    def __init__(self, values, device=1):
        self.values, self.device = values, device

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, **options):
        return self.values.__dlpack__()


class ArrayOnly:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


class Accepted(unittest.TestCase):
    def check(self, given, expected=EXPECTED):
        self.assertTrue(support.same_bits(pn.cast(given, "e4m3"), expected))

    def test_layouts(self):
        backwards = np.ascontiguousarray(X[::-1])[::-1]
        wide = np.zeros((6, 30), np.float32)
        wide[:, ::3] = X
        misaligned = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
        self.assertFalse(misaligned.flags.aligned)
        for given in (np.asfortranarray(X), backwards, wide[:, ::3], misaligned, np.broadcast_to(X, X.shape)):
            self.check(given)
        self.check(X.T, np.ascontiguousarray(EXPECTED.T))
        rows = pn.quantize(X.repeat(4, 1), "mxfp8").values
        self.assertTrue(support.same_bits(pn.quantize(np.asfortranarray(X.repeat(4, 1)), "mxfp8").values, rows))

    def test_byte_orders_and_read_only_memory(self):
        self.check(X.astype(">f4"))
        self.check(X.astype(">f8"))
        fixed = X.copy()
        fixed.flags.writeable = False
        self.check(fixed)
        self.assertEqual(pn.quantize(fixed, "fp8").values.shape, X.shape)
        self.check(np.frombuffer(X.tobytes(), np.float32).reshape(X.shape))

    def test_sizes(self):
        self.assertEqual(pn.cast(np.float32(0.3), "e4m3").shape, ())
        self.assertEqual(pn.cast(0.3, "e4m3"), np.float32(0.3125))
        self.assertEqual(pn.cast(np.zeros((0, 3), np.float32), "e4m3").shape, (0, 3))
        self.assertEqual(pn.cast([], "e4m3").shape, (0,))
        for shape in ((0, 32), (4, 0), (0, 0, 32)):
            q = pn.quantize(np.zeros(shape, np.float32), "mxfp8")
            self.assertEqual((q.values.shape, q.dequantize().shape), (shape, shape))
        self.assertEqual(pn.cast(X[None, :, None], "e4m3").shape, (1, 6, 1, 10))

    def test_a_huge_array_that_is_not_there_is_refused_before_it_is_made(self):
        huge = np.broadcast_to(np.float32(1), (2**40,))
        with self.assertRaises(MemoryError):
            pn.cast(huge, "e4m3")

    def test_lists_scalars_and_buffers(self):
        self.check(X.tolist())
        self.check(memoryview(X))
        self.assertTrue(support.same_bits(pn.cast(array.array("f", [0.3, 500]), "e4m3"), np.array([0.3125, 448], np.float32)))
        self.assertEqual(pn.cast(2, "e4m3"), 2)
        self.assertEqual(pn.quantize([[1.0] * 32], "mxfp8").values.shape, (1, 32))

    def test_arrays_of_other_libraries(self):
        self.check(DLPackOnly(X.copy()))
        self.check(DLPackOnly(X.copy()[:, ::2]), np.ascontiguousarray(EXPECTED[:, ::2]))
        self.check(ArrayOnly(X))

    def test_nan_keeps_its_sign_and_what_fits_of_its_payload(self):
        patterns = np.array([0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0x7FE00000], np.uint32)
        ours = pn.cast(patterns.view(np.float32), "e5m2")
        self.assertTrue(np.isnan(ours).all())
        theirs = support.cast_by_program(patterns, "--format", "e5m2")
        self.assertTrue(support.same_bits(ours, theirs))
        codes = np.frombuffer(support.run(["cast", "--format", "e5m2", "--codes"], patterns.tobytes()), np.uint8)
        np.testing.assert_array_equal(pn.Format("e5m2").encode(ours), codes)

    def test_contiguous_memory_is_read_where_it_is(self):
        for given in (X, X.astype(np.float64)):
            self.assertTrue(np.shares_memory(_arrays.read(given).array, given))
        self.assertTrue(np.shares_memory(_arrays.read(DLPackOnly(X)).array, X))
        self.assertTrue(np.shares_memory(_arrays.read_matrix(X, "x").array, X))
        try:
            import ml_dtypes
        except ImportError:
            return
        half = X.astype(ml_dtypes.bfloat16)
        self.assertTrue(np.shares_memory(_arrays.read(half).array, half))
        self.check(half, pn.cast(half.astype(np.float32), "e4m3"))


class Refused(unittest.TestCase):
    def test_types_are_named_with_those_that_are_allowed(self):
        allowed = "float32, float64, float16 and bfloat16"
        for given, problem in ((np.arange(3), "dtype int64; allowed are " + allowed), (np.array([True]), "dtype bool"),
                               (np.array([1j]), "dtype complex128"), (np.array([None, 1.0]), "dtype object"),
                               (np.array(["a"]), "dtype str"), (np.zeros(2, np.longdouble), "dtype " + np.dtype(np.longdouble).name),
                               (np.zeros(2, [("a", "f4")]), "dtype void"), ("abc", "not str"), (None, "not NoneType"),
                               ({1.0}, "not set"), ([[1.0], [1.0, 2.0]], "list that is no array"), (1j, "not complex"),
                               (np.ma.masked_array([1.0], [True]), "masked")):
            with self.assertRaisesRegex(TypeError, problem, msg=repr(given)):
                pn.cast(given, "e4m3")
        with self.assertRaisesRegex(TypeError, r"float64; operands are .* give w.astype\('float32'\)"):
            pn.gemm(X, X.astype(np.float64))
        with self.assertRaisesRegex(ValueError, r"x must have at least 2 axes.*\(10,\)"):
            pn.quantize(X[0], "fp8")

    def test_memory_elsewhere_is_refused(self):
        with self.assertRaisesRegex(TypeError, "x is on device CUDA; .*x.cpu()"):
            pn.cast(DLPackOnly(X, device=2), "e4m3")
        with self.assertRaisesRegex(TypeError, "number 17 of DLPack"):
            pn.cast(DLPackOnly(X, device=17), "e4m3")
        with self.assertRaisesRegex(TypeError, "DLPackOnly does not hand over its memory"):
            pn.cast(DLPackOnly(None), "e4m3")

    def test_places_for_results_that_cannot_be_are_named(self):
        fixed = np.zeros_like(X)
        fixed.flags.writeable = False
        shifted = np.zeros(61, np.float32)
        shifted[:60] = X.reshape(-1)
        for out, problem in ((np.zeros((6, 11), np.float32), r"shape is \(6, 11\)"), (np.zeros((6, 10)), "dtype is float64"),
                             (np.zeros((6, 10), ">f4"), "dtype"), (fixed, "read-only"), (np.zeros((10, 6), np.float32).T, "C-contiguous")):
            with self.assertRaisesRegex(ValueError, problem):
                pn.cast(X, "e4m3", out=out)
        with self.assertRaisesRegex(ValueError, "overlaps"):
            pn.cast(shifted[:60], "e4m3", out=shifted[1:])
        with self.assertRaisesRegex(TypeError, "not list"):
            pn.cast(X, "e4m3", out=[0.0])


class Beside(unittest.TestCase):
    def test_other_threads_of_python_run_meanwhile(self):
        x = support.numbers((1 << 22,), 2)
        ticks, done = [], threading.Event()

        def count():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.0005)

        other = threading.Thread(target=count)
        other.start()
        begin = time.perf_counter()
        while time.perf_counter() - begin < 0.5:
            start = time.perf_counter()
            pn.cast(x, "e4m3", "sr", threads=1)
            end = time.perf_counter()
            if any(start < tick < end for tick in ticks):
                break
        done.set()
        other.join()
        self.assertTrue(any(start < tick < end for tick in ticks))

    def test_numbers_of_threads(self):
        before = pn.get_num_threads()
        self.assertGreaterEqual(before, 1)
        pn.set_num_threads(3)
        self.assertEqual(pn.get_num_threads(), 3)
        pn.set_num_threads(None)
        self.assertEqual(pn.get_num_threads(), before)
        with self.assertRaisesRegex(ValueError, "threads must be a whole number from 1 to 1024, not 0"):
            pn.set_num_threads(0)

    def test_examples_of_the_documents_are_right(self):
        result = doctest.testmod(pn, extraglobs={"pn": pn, "np": np})
        self.assertGreaterEqual(result.attempted, 9)
        self.assertEqual(result.failed, 0)

    def test_everything_public_says_what_it_is(self):
        for name in pn.__all__:
            thing = getattr(pn, name)
            if name == "__version__":
                continue
            self.assertTrue(inspect.getdoc(thing), name)
            if inspect.isclass(thing):
                for member, value in vars(thing).items():
                    if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                        self.assertTrue(inspect.getdoc(value), f"{name}.{member}")
        self.assertIn("pn.quantize", pn.__doc__)

    def test_types_are_told_to_checkers(self):
        from pathlib import Path

        folder = Path(pn.__file__).parent
        self.assertTrue((folder / "py.typed").is_file())
        self.assertIn("class Format", (folder / "_core.pyi").read_text())


if __name__ == "__main__":
    unittest.main()
