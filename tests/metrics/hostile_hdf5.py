# SPDX-License-Identifier: Apache-2.0
"""Writes hostile.h5 beside this file: what our HDF5 reader must refuse, and foreign but honest data that it must read.

Made once with h5py 3.16 and HDF5 2.0 and kept in the tree, so that the tests need neither Python nor HDF5 headers:
    python3 hostile_hdf5.py
"""
import pathlib

import h5py
import numpy as np

here = pathlib.Path(__file__).parent
with h5py.File(here / "hostile.h5", "w", libver=("earliest", "v110")) as f:
    good = f.create_group("good")
    good["tokens"] = np.array([[0, 1, 65535], [7, 8, 9]], dtype=np.uint16)
    good["big_endian"] = np.array([1.5, -2.25, np.nan], dtype=">f8")
    good.create_dataset("weights", data=np.arange(6, dtype=np.float32).reshape(2, 3), compression="gzip", shuffle=True)
    good["fixed_text"] = np.bytes_("hello")
    good["fixed_texts"] = np.array([b"ab", b"cde"])
    good["text"] = "Grüße"
    good["scalar"] = np.float64(2.5)
    good.attrs["fixed"] = np.bytes_("attribute")
    good.attrs["number"] = 3

    bad = f.create_group("bad")
    bad["soft"] = h5py.SoftLink("/good/weights")
    bad["external"] = h5py.ExternalLink("other.h5", "/x")
    bad["soft_group"] = h5py.SoftLink("/good")
    bad["loop"] = bad
    bad.create_dataset("outside", shape=(16,), dtype=np.int8, external=[("/etc/passwd", 0, 16)])
    bad.create_dataset("bomb", shape=(1 << 40,), dtype=np.float64, chunks=(1024,))
    bad.create_dataset("unwritten", shape=(1 << 24,), dtype=np.float64, chunks=(1024,))
    bad.create_dataset("wide_chunk", shape=(4,), maxshape=(None,), dtype=np.float32, chunks=(1 << 29,))
    bad.create_dataset("lzf", data=np.zeros(100), compression="lzf")
    layout = h5py.VirtualLayout(shape=(4,), dtype=np.float64)
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    bad.create_virtual_dataset("virtual", layout)
    bad["half"] = np.zeros(3, dtype=np.float16)
    bad["compound"] = np.zeros(3, dtype=[("a", np.int32), ("b", np.float64)])
    bad["doubles"] = np.zeros(3)
    bad["empty"] = h5py.Empty("f8")
    bad.create_dataset("text_bomb", shape=(1 << 18,), dtype="S4096", chunks=(1024,), compression="gzip")
    bad["text_matrix"] = np.array([[b"a", b"b"]])
