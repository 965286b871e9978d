// SPDX-License-Identifier: Apache-2.0
// The units of hardware (accumulator.h: tensor-core with align=operands, matrix-core) across outputs. Included by
// accumulate-inl.h, whose tiles, vectors and panels these loops use.
//
// The exponent that a product takes to the alignment is max(E(a), emin_a) + max(E(b), emin_b). Wide loops have for every
// operand the power of two with its exponent, 0 for zero and infinity for what is not finite, beside its value: the
// product of two powers has the sum of the exponents as its own. Narrow loops have the exponents themselves, as 16-bit
// integers, of which a vector holds a whole row of the panel.

// The powers of a panel, and its exponents, follow its values.
PRECIPICE_HD const double* powers_of(const Tile<double>& tile) {
  return tile.panel + tile.call->gemm->k * kWidth<double>;
}
PRECIPICE_HD const std::int16_t* exponents_of(const Tile<float>& tile) {
  return reinterpret_cast<const std::int16_t*>(tile.panel + tile.call->gemm->k * kWidth<float>);
}

// ---- Wide: binary64. -----------------------------------------------------------------------------------------------

using Reals = Vector<double>;
using Fields = Vector<std::int64_t>;
constexpr int kReals = static_cast<int>(sizeof(Reals) / sizeof(double));
using RealTile = Reals[kRows][kVectors];
using FieldTile = Fields[kRows][kVectors];

PRECIPICE_HD Fields pattern_of_magnitude(Reals x) {
  return bits_as<Fields>(x) & (Fields{} + 0x7FFFFFFFFFFFFFFF);
}
PRECIPICE_HD Fields larger_of(Fields a, Fields b) {
  return a > b ? a : b;
}
PRECIPICE_HD Fields pattern_of_power(int exponent) {
  return Fields{} + (static_cast<std::int64_t>(Binary64::kBias + exponent) << Binary64::kMantissa);
}
// Of a register, whose exponent binary32's subnormals leave at -126; zero stays zero.
PRECIPICE_HD Fields pattern_of_register(Reals c) {
  const Fields magnitude = pattern_of_magnitude(c);
  return larger_of(magnitude, pattern_of_power(-126)) & (magnitude > 0);
}
PRECIPICE_HD bool any_of(Fields mask) {
  bool any = false;
  for (int j = 0; j < kReals; ++j) any |= mask[j] != 0;
  return any;
}
PRECIPICE_HD Reals select_of(Fields mask, Reals yes, Reals no) {
  return bits_as<Reals>((bits_as<Fields>(yes) & mask) | (bits_as<Fields>(no) & ~mask));
}

// To binary32 and back. Lane by lane GCC 12 leaves both conversions out when it makes a vector of them.
PRECIPICE_HD Reals to_binary32(Reals x) {
  typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
  return __builtin_convertvector(__builtin_convertvector(x, Half), Reals);
}

// 2^(e - bits + 1) for an e that is the exponent of a pattern, and its inverse.
PRECIPICE_HD Reals unit_of(Fields pattern, int bits) {
  return bits_as<Reals>(((pattern >> Binary64::kMantissa) - std::int64_t{bits - 1}) << Binary64::kMantissa);
}
PRECIPICE_HD Reals inverse_unit_of(Fields pattern, int bits) {
  return bits_as<Reals>((2 * std::int64_t{Binary64::kBias} + bits - 1 - (pattern >> Binary64::kMantissa))
                        << Binary64::kMantissa);
}

// Products of the tile's rows with a vector of columns, and those of the powers.
PRECIPICE_HD Reals products_of(const Tile<double>& tile, int r, int v, std::int64_t k) {
  return static_cast<double>(tile.a[r][k]) * load<Reals>(tile.panel + k * kWidth<double> + v * kReals);
}
PRECIPICE_HD Reals powers_of_products(const Tile<double>& tile, int r, int v, std::int64_t k) {
  return tile.a_powers[r][k] * load<Reals>(powers_of(tile) + k * kWidth<double> + v * kReals);
}

// The scales that act before the alignment on the products from k on, and the powers with their exponents.
struct TermScales {
  double value[kRows][kWidth<double>], power[kRows][kWidth<double>];
};
void fill_term_scales(const Tile<double>& tile, std::int64_t k, int emin, TermScales& scales) {
  const EmulatedGemm& gemm = *tile.call->gemm;
  const std::int64_t block = gemm.scale_block == 0 ? 0 : k / gemm.scale_block;
  double value[kWidth<double>], power[kWidth<double>];
  for (int j = 0; j < kWidth<double>; ++j) {
    const float scale = scale_at(gemm.b.scales, tile.column + j < gemm.n ? tile.column + j : gemm.n - 1, block);
    value[j] = static_cast<double>(scale), power[j] = power_with_exponent(scale, emin);
  }
  for (int r = 0; r < kRows; ++r) {
    const float scale = scale_at(gemm.a.scales, tile.row[r], block);
    const double of_row = static_cast<double>(scale), power_of_row = power_with_exponent(scale, emin);
    for (int j = 0; j < kWidth<double>; ++j) {
      scales.value[r][j] = of_row * value[j];
      scales.power[r][j] = power_of_row * power[j];
    }
  }
}

// The terms of one group, as scales= says.
template <BlockScales S>
struct Terms {
  const Tile<double>& tile;
  std::int64_t begin, end;
  // Terms: of the whole group. Groups: of each 16 products.
  TermScales scales[S == BlockScales::Groups ? 1024 / kProductsToScaleGroup : 1];

  Terms(const Tile<double>& of, std::int64_t first, std::int64_t last) : tile(of), begin(first), end(last) {
    if constexpr (S == BlockScales::Terms) fill_term_scales(tile, begin, kNoEmin, scales[0]);
    if constexpr (S == BlockScales::Groups)
      for (std::int64_t k = begin, i = 0; k < end; k += kProductsToScaleGroup, ++i)
        fill_term_scales(tile, k, tile.call->gemm->accumulator.scale_emin, scales[i]);
  }

  // What the largest exponent is seen in; at least infinity's pattern where something is not finite.
  Fields largest(int r, int v) const {
    Fields most = {};
    if constexpr (S == BlockScales::Groups) {
      for (std::int64_t k = begin, i = 0; k < end; k += kProductsToScaleGroup, ++i)
        most = larger_of(most, pattern_of_magnitude(load<Reals>(scales[i].power[r] + v * kReals)));
    } else {
      for (std::int64_t k = begin; k < end; ++k)
        most = larger_of(most, pattern_of_magnitude(powers_of_products(tile, r, v, k)));
      if constexpr (S == BlockScales::Terms) {
        const Reals scaled = bits_as<Reals>(most) * load<Reals>(scales[0].power[r] + v * kReals);
        most = pattern_of_magnitude(scaled);
      }
    }
    return most;
  }

  // f(x) added up over the terms x.
  template <class F>
  Reals sum(int r, int v, F f) const {
    Reals total = {};
    if constexpr (S == BlockScales::Groups) {
      for (std::int64_t k = begin, i = 0; k < end; k += kProductsToScaleGroup, ++i) {
        Reals exact = {};
        for (std::int64_t p = k; p < k + kProductsToScaleGroup && p < end; ++p) exact += products_of(tile, r, v, p);
        total += f(exact * load<Reals>(scales[i].value[r] + v * kReals));
      }
    } else if constexpr (S == BlockScales::Terms) {
      const Reals scale = load<Reals>(scales[0].value[r] + v * kReals);
      for (std::int64_t k = begin; k < end; ++k) total += f(products_of(tile, r, v, k) * scale);
    } else {
      for (std::int64_t k = begin; k < end; ++k) total += f(products_of(tile, r, v, k));
    }
    return total;
  }
};

// Steps 1 to 3 of tensor-core for a vector of outputs.
template <bool Cut, BlockScales S>
Reals add_group(const Terms<S>& terms, int r, int v, Reals c) {
  const AccumulateCall& call = *terms.tile.call;
  const Accumulator& accumulator = call.gemm->accumulator;
  const Fields infinity = Fields{} + Binary64::kInfinity;
  const bool added = accumulator.register_part == RegisterPart::Added;
  Fields largest = larger_of(terms.largest(r, v), pattern_of_power(accumulator.lowest));
  const Fields of_register = pattern_of_register(c);
  if (!added) largest = larger_of(largest, of_register);
  const Reals inverse = inverse_unit_of(largest, accumulator.bits);
  Reals units = terms.sum(r, v, [&](Reals x) { return to_units<Cut, double>(x * inverse); });
  if (!added) units += to_units<Cut, double>(c * inverse);
  Reals total = normalise_wide<Cut>(units * unit_of(largest, accumulator.bits), call.wide_register);
  if (added) {
    total = to_binary32(total + c);
  }
  const Fields special = (largest >= infinity) | (of_register >= infinity);
  if (!any_of(special)) return total;
  const Reals plain = c + terms.sum(r, v, [](Reals x) { return x; });
  return select_of(special, plain, total);
}

template <bool Cut, BlockScales S>
void sum_unit_wide(const Tile<double>& tile, std::int64_t begin, std::int64_t end, Registers<double>& registers) {
  const std::int64_t length = tile.call->gemm->accumulator.group;
  RealTile sum = {};
  for (std::int64_t group = begin; group < end; group += length) {
    const Terms<S> terms(tile, group, group + length < end ? group + length : end);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sum[r][v] = add_group<Cut, S>(terms, r, v, sum[r][v]);
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kReals, sum[r][v]);
}

// ---- Matrix cores. -------------------------------------------------------------------------------------------------

// Whole multiples of 2^(e - bits + 1) at or below x.
PRECIPICE_HD Reals cut_downward(Reals x, Fields pattern, int bits) {
  const Reals units = x * inverse_unit_of(pattern, bits);
  const Reals cut = to_units<true, double>(units);
  const Reals one = Reals{} + 1.0;
  return (cut - bits_as<Reals>(bits_as<Fields>(one) & (cut > units))) * unit_of(pattern, bits);
}

struct CutTerms {
  Reals sum;
  Fields largest;  // of the powers; 0: no term
};
CutTerms cut_terms(const Tile<double>& tile, int r, int v, std::int64_t begin, std::int64_t end, std::int64_t step) {
  const int bits = tile.call->gemm->accumulator.bits;
  CutTerms terms = {};
  for (std::int64_t k = begin; k < end; k += step)
    terms.largest = larger_of(terms.largest, pattern_of_magnitude(powers_of_products(tile, r, v, k)));
  const Fields raised = larger_of(terms.largest, pattern_of_power(-600));
  const Reals inverse = inverse_unit_of(raised, bits);
  for (std::int64_t k = begin; k < end; k += step)
    terms.sum += to_units<true, double>(products_of(tile, r, v, k) * inverse);
  terms.sum *= unit_of(raised, bits);
  return terms;
}

// A product of 2^128 or more is infinite.
Reals plain_sum_of_matrix_core(const Tile<double>& tile, int r, int v, std::int64_t begin, std::int64_t end, Reals c) {
  for (std::int64_t k = begin; k < end; ++k) {
    const Reals x = products_of(tile, r, v, k);
    const Fields beyond = pattern_of_magnitude(x) >= pattern_of_power(128);
    const Reals infinite =
        bits_as<Reals>((bits_as<Fields>(x) & (Fields{} - 0x7FFFFFFFFFFFFFFF - 1)) | Binary64::kInfinity);
    c += select_of(beyond & (x == x), infinite, x);
  }
  return c;
}

Reals add_matrix_core_group(const Tile<double>& tile, int r, int v, std::int64_t begin, std::int64_t end, Reals c) {
  const Accumulator& accumulator = tile.call->gemm->accumulator;
  const bool halves = accumulator.halves == 2;
  // 1.
  CutTerms terms = cut_terms(tile, r, v, begin, end, halves ? 2 : 1);
  if (halves) {
    const CutTerms odd = cut_terms(tile, r, v, begin + 1, end, 2);
    terms.largest = larger_of(terms.largest, odd.largest);
    const Fields raised = larger_of(terms.largest, pattern_of_power(-600));
    terms.sum = cut_downward(terms.sum, raised, accumulator.bits) + cut_downward(odd.sum, raised, accumulator.bits);
  }
  // 2.
  const Fields of_register = pattern_of_register(c);
  const Fields largest = larger_of(larger_of(terms.largest, of_register), pattern_of_power(-126));
  Reals kept = cut_downward(c, largest, 25);
  const Fields field_of_register = of_register >> Binary64::kMantissa;
  if (halves) kept = select_of(field_of_register < (largest >> Binary64::kMantissa) - 25, Reals{}, kept);
  // 3.
  Reals total = cut_downward(terms.sum, largest, 32) + kept;
  const Fields infinity = Fields{} + Binary64::kInfinity;
  Fields special = (terms.largest >= infinity) | (of_register >= infinity);
  for (std::int64_t k = begin; k < end; ++k)
    special |= pattern_of_magnitude(products_of(tile, r, v, k)) >= pattern_of_power(128);
  if (any_of(special)) total = select_of(special, plain_sum_of_matrix_core(tile, r, v, begin, end, c), total);
  return to_binary32(total);
}

void sum_matrix_core(const Tile<double>& tile, std::int64_t begin, std::int64_t end, Registers<double>& registers) {
  const std::int64_t length = tile.call->gemm->accumulator.group;
  RealTile sum = {};
  for (std::int64_t group = begin; group < end; group += length) {
    const std::int64_t last = group + length < end ? group + length : end;
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sum[r][v] = add_matrix_core_group(tile, r, v, group, last, sum[r][v]);
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kReals, sum[r][v]);
}

// ---- Narrow: binary32 products, whole units in 32-bit integers. -------------------------------------------------------

typedef std::int16_t Exponents __attribute__((vector_size(kVectorBytes)));
constexpr int kLanesOfFloat = static_cast<int>(sizeof(Vector<float>) / sizeof(float));
static_assert(sizeof(Exponents) / sizeof(std::int16_t) == kWidth<float>, "a vector holds a row of the panel");

// The largest exponent of a product for every output.
void largest_exponents(const Tile<float>& tile, std::int64_t begin, std::int64_t end,
                       std::int16_t (&largest)[kRows][kWidth<float>]) {
  const std::int16_t* panel = exponents_of(tile);
  Exponents most[kRows];
  for (Exponents& row : most) row = Exponents{} + std::int16_t{2 * kZeroExponent};
  for (std::int64_t k = begin; k < end; ++k) {
    const auto b = load<Exponents>(panel + k * kWidth<float>);
    for (int r = 0; r < kRows; ++r) {
      const Exponents sum = b + tile.a_exponents[r][k];
      most[r] = sum > most[r] ? sum : most[r];
    }
  }
  for (int r = 0; r < kRows; ++r) store(largest[r], most[r]);
}

// A sum of whole units to binary32, cut to min(bits, 24) bits; unit: a power of two.
PRECIPICE_HD float cut_to_register(double units, float unit) {
  const std::int64_t pattern = __builtin_bit_cast(std::int64_t, units) & ~((std::int64_t{1} << 29) - 1);
  return static_cast<float>(__builtin_bit_cast(double, pattern) * static_cast<double>(unit));
}

// Few: sums of a group are below 2^24 units, and are binary32 numbers before they are cut. Added: the register is no term
// and joins by binary32's own addition.
template <bool Few, bool Added>
void sum_unit_narrow(const Tile<float>& tile, std::int64_t begin, std::int64_t end, Registers<float>& registers) {
  using V = Vector<float>;
  using Int = Vector<std::int32_t>;
  const Accumulator& accumulator = tile.call->gemm->accumulator;
  const int bits = accumulator.bits, kept = bits < 24 ? bits : 24;
  // Terms are below 4 units of 2^(bits - 1): so many of them fit an integer.
  const std::int64_t most_terms = bits + 1 < 31 ? std::int64_t{1} << (31 - bits - 1) : 1;
  // 1 / u has to be a binary32 number; a larger e, with u 2^-126, still has all terms be whole units.
  const int lowest = bits - Binary32::kBias;

  V sum[kRows][kVectors] = {};
  std::int16_t largest[kRows][kWidth<float>];
  alignas(64) double wide[Few ? 1 : kRows][Few ? 1 : kWidth<float>];
  for (std::int64_t group = begin; group < end; group += accumulator.group) {
    const std::int64_t group_end = group + accumulator.group < end ? group + accumulator.group : end;
    // 1.
    largest_exponents(tile, group, group_end, largest);
    V inverse[kRows][kVectors];
    Int units[kRows][kVectors], exponent[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        Int e;
        for (int j = 0; j < kLanesOfFloat; ++j) e[j] = largest[r][v * kLanesOfFloat + j];
        const Int of_register = ((bits_as<Int>(sum[r][v]) & 0x7FFFFFFF) >> Binary32::kMantissa) - Binary32::kBias;
        if constexpr (!Added) e = e > of_register ? e : of_register;
        e = e > lowest ? e : Int{} + lowest;
        exponent[r][v] = e;
        inverse[r][v] = bits_as<V>((bits - 1 - e + Binary32::kBias) << Binary32::kMantissa);
        // 2. The register is a term too.
        units[r][v] = Added ? Int{} : __builtin_convertvector(sum[r][v] * inverse[r][v], Int);
        if constexpr (!Few) {
          for (int j = 0; j < kLanesOfFloat; ++j) wide[r][v * kLanesOfFloat + j] = units[r][v][j];
          units[r][v] = Int{};
        }
      }
    }
    for (std::int64_t first = group; first < group_end; first += most_terms) {
      const std::int64_t last = first + most_terms < group_end ? first + most_terms : group_end;
      for (std::int64_t k = first; k < last; ++k) {
        for (int v = 0; v < kVectors; ++v) {
          const V b = load<V>(tile.panel + k * kWidth<float> + v * kLanesOfFloat);
          for (int r = 0; r < kRows; ++r) units[r][v] += __builtin_convertvector(tile.a[r][k] * b * inverse[r][v], Int);
        }
      }
      if constexpr (!Few) {
        for (int r = 0; r < kRows; ++r)
          for (int v = 0; v < kVectors; ++v) {
            for (int j = 0; j < kLanesOfFloat; ++j) wide[r][v * kLanesOfFloat + j] += units[r][v][j];
            units[r][v] = Int{};
          }
      }
    }
    // 3.
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const V unit = bits_as<V>((exponent[r][v] - (bits - 1) + Binary32::kBias) << Binary32::kMantissa);
        V of_group;
        if constexpr (Few) {
          of_group = normalise_narrow<true>(__builtin_convertvector(units[r][v], V), 24 - kept) * unit;
        } else {
          for (int j = 0; j < kLanesOfFloat; ++j)
            of_group[j] = cut_to_register(wide[r][v * kLanesOfFloat + j], unit[j]);
        }
        sum[r][v] = Added ? sum[r][v] + of_group : of_group;
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kLanesOfFloat, sum[r][v]);
}
