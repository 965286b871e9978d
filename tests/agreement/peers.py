# SPDX-License-Identifier: Apache-2.0
"""The preset formats in the terms of ml_dtypes and gfloat, and where these two mean something else than precipice."""

from typing import Callable, List, NamedTuple, Optional

import gfloat
import ml_dtypes
import numpy as np
from gfloat import Domain, RoundMode, formats


def info(name, bits, precision, bias, *, extended=False, high_nans=0, minus_zero=True, subnormals=True, twos=False):
    return gfloat.FormatInfo(
        name,
        k=bits,
        precision=precision,
        bias=bias,
        is_signed=True,
        domain=Domain.Extended if extended else Domain.Finite,
        has_nz=minus_zero and not twos,
        num_high_nans=high_nans,
        has_subnormals=subnormals,
        is_twos_complement=twos,
    )


class Peers(NamedTuple):
    bits: int
    gfloat: gfloat.FormatInfo
    rounding: Optional[type] = None  # NumPy type that casts from float32 to nearest even
    values: Optional[type] = None  # NumPy type with the same codes, if that is another one


def p3109(precision, domain=Domain.Extended):
    return formats.format_info_p3109(8, precision, domain=domain)


PEERS = {
    "fp32": Peers(32, formats.format_info_binary32, np.float32),
    "tf32": Peers(19, info("tf32", 19, 11, 127, extended=True, high_nans=2**10 - 1)),
    "bf16": Peers(16, formats.format_info_bfloat16, ml_dtypes.bfloat16),
    "fp16": Peers(16, formats.format_info_binary16, np.float16),
    "dlfloat16": Peers(16, info("dlfloat16", 16, 10, 31, high_nans=1, subnormals=False)),
    "e5m2": Peers(8, formats.format_info_ocp_e5m2, ml_dtypes.float8_e5m2),
    "e4m3": Peers(8, formats.format_info_ocp_e4m3, ml_dtypes.float8_e4m3fn),
    "e4m3fnuz": Peers(8, p3109(4, Domain.Finite), ml_dtypes.float8_e4m3fnuz),
    "e5m2fnuz": Peers(8, p3109(3, Domain.Finite), ml_dtypes.float8_e5m2fnuz),
    "e4m3b11fnuz": Peers(8, info("e4m3b11fnuz", 8, 4, 11, minus_zero=False), ml_dtypes.float8_e4m3b11fnuz),
    "gaudi_e4m3": Peers(8, info("e4m3", 8, 4, 7, extended=True, high_nans=7), ml_dtypes.float8_e4m3),
    "hfp8_e4m3": Peers(8, info("hfp8_e4m3", 8, 4, 7)),
    "e3m4": Peers(8, info("e3m4", 8, 5, 3, extended=True, high_nans=15), ml_dtypes.float8_e3m4),
    "e3m2": Peers(6, formats.format_info_ocp_e3m2, ml_dtypes.float6_e3m2fn),
    "e2m3": Peers(6, formats.format_info_ocp_e2m3, ml_dtypes.float6_e2m3fn),
    "e2m1": Peers(4, formats.format_info_ocp_e2m1, ml_dtypes.float4_e2m1fn),
    "e8m0": Peers(8, formats.format_info_ocp_e8m0, ml_dtypes.float8_e8m0fnu),
    **{f"binary8p{p}": Peers(8, p3109(p)) for p in range(1, 8)},
    "int8": Peers(8, info("int8", 8, 8, -6)),
    "int4": Peers(4, info("int4", 4, 4, -2)),
    "int8twos": Peers(8, info("int8twos", 8, 8, -6, twos=True), values=np.int8),
    "int4twos": Peers(4, info("int4twos", 4, 4, -2, twos=True), values=ml_dtypes.int4),
    "mxint8": Peers(8, formats.format_info_ocp_int8),
}

# What gfloat calls the modes.
MODES = {
    "rne": RoundMode.TiesToEven,
    "rna": RoundMode.TiesToAway,
    "rtz": RoundMode.TowardZero,
    "rup": RoundMode.TowardPositive,
    "rdn": RoundMode.TowardNegative,
    "sr": RoundMode.StochasticFastest,
    "sr-b": RoundMode.StochasticFast,
    "sr-c": RoundMode.Stochastic,
}


class Difference(NamedTuple):
    """Inputs that the peer treats differently by design: where the results differ they are counted, not failures."""

    peer: str
    presets: List[str]
    concerns: Callable[[np.ndarray], np.ndarray]  # inputs -> mask
    reason: str


NO_NAN = ["e3m2", "e2m3", "e2m1"]

DIFFERENCES = [
    Difference("ml_dtypes", NO_NAN, np.isnan, "a NaN becomes minus zero in a format without NaN; here it stays NaN"),
    Difference("ml_dtypes", ["e8m0"], lambda x: (x > 2.0**-127) & (x < 2.0**-126),
               "e8m0 takes all numbers between 2^-127 and 2^-126 up; here and in gfloat they go to the nearest"),
    Difference("ml_dtypes", ["e8m0"], lambda x: np.frexp(x)[0] == 0.75,
               "e8m0 rounds ties up; here and in gfloat to the even code"),
    Difference("ml_dtypes", ["e8m0"], lambda x: x == 0, "zero becomes NaN in e8m0; here the smallest value"),
    Difference("gfloat", ["e8m0"], lambda x: ~(x >= 2.0**-127),
               "e8m0 has no lower end for rounding, zero stays zero and the sign is not looked at; here what is below "
               "2^-127 is 2^-127, and negative numbers are NaN"),
    Difference("gfloat", ["dlfloat16"], lambda x: np.abs(x) < 2.0**-31 * (1 + 2.0**-9),
               "a format without subnormals has no lower end for rounding; here what is below the smallest value is zero"),
]
