// SPDX-License-Identifier: Apache-2.0
// Tensor-core sums with align=value across outputs (accumulator.h), and the steps that every alignment has: whole units,
// and the register's bits. Included by accumulate-inl.h, whose tiles, vectors and panels these loops use.

// x (in units) to whole units, by rounding to nearest at a power of two of which the unit is the last place; |x| < 2^30
// for double, 2^23 for float.
template <bool Cut, class Real>
PRECIPICE_HD Vector<Real> to_units(Vector<Real> x) {
  using Source = typename SourceOf<Real>::Type;
  using Int = Vector<typename Source::Int>;
  constexpr Real kPlace = static_cast<Real>(std::int64_t{1} << Source::kMantissa);
  if constexpr (!Cut) {
    const Vector<Real> place = Vector<Real>{} + kPlace * Real{1.5};
    return (x + place) - place;
  } else if constexpr (sizeof(Real) == sizeof(float)) {
    return __builtin_convertvector(__builtin_convertvector(x, Int), Vector<Real>);
  } else {
    const Int sign = bits_as<Int>(x) & (Int{} + static_cast<typename Source::Int>(typename Source::Uint{1} << 63));
    const Vector<Real> magnitude = bits_as<Vector<Real>>(bits_as<Int>(x) ^ sign);
    const Vector<Real> nearest = (magnitude + kPlace) - kPlace;
    const Int above = nearest > magnitude;
    const Vector<Real> one = Vector<Real>{} + Real{1};
    const Vector<Real> cut = nearest - bits_as<Vector<Real>>(bits_as<Int>(one) & above);
    return bits_as<Vector<Real>>(bits_as<Int>(cut) | sign);
  }
}

// 3. of the tensor-core model, for whole numbers below 2^24 of units: what `cut_bits` = 24 - bits low bits hold goes.
template <bool Cut>
PRECIPICE_HD Vector<float> normalise_narrow(Vector<float> sum, int cut_bits) {
  using Int = Vector<std::int32_t>;
  const Int pattern = bits_as<Int>(sum);
  Int increment = {};
  if constexpr (!Cut) increment = ((pattern >> cut_bits) & 1) + ((1 << (cut_bits - 1)) - 1);
  return bits_as<Vector<float>>((pattern + increment) & ~((1 << cut_bits) - 1));
}

template <bool Cut>
PRECIPICE_HD Vector<double> normalise_wide(Vector<double> sum, const WideFormatConstants& format) {
  constexpr int kLanes = static_cast<int>(sizeof(sum) / sizeof(double));
  constexpr Rounding kRounding = Cut ? Rounding::TowardZero : Rounding::NearestEven;
  double lanes[kLanes];
  store(lanes, sum);
  for (int j = 0; j < kLanes; ++j) {
    const Rounded rounded = round_and_check<kRounding, false, Binary64>(lanes[j], format, 0, 0);
    const float infinity = lanes[j] < 0 ? -__builtin_inff() : __builtin_inff();
    lanes[j] = rounded.beyond != 0 && lanes[j] == lanes[j] ? infinity : rounded.value;
  }
  return load<Vector<double>>(lanes);
}

template <bool Cut, class Real>
void sum_tensor_core(const Tile<Real>& tile, std::int64_t begin, std::int64_t end, Registers<Real>& registers) {
  using Source = typename SourceOf<Real>::Type;
  using V = Vector<Real>;
  using Int = Vector<typename Source::Int>;
  constexpr int kLanes = static_cast<int>(sizeof(V) / sizeof(Real)), kMantissa = Source::kMantissa;
  constexpr bool kWide = sizeof(Real) == sizeof(double);
  const Accumulator& accumulator = tile.call->gemm->accumulator;
  const int bits = accumulator.bits, cut_bits = 24 - bits;
  const Int magnitude_mask = Int{} + ~(typename Source::Int{1} << (8 * sizeof(Real) - 1));
  const Int field_mask = Int{} + Source::kInfinity;
  // e is at least -126. Narrow, 1 / u has to be a binary32 number too; a larger e, with u 2^-126, still has all terms
  // be whole units.
  const typename Source::Int lowest = kWide ? Source::kBias - 126 : bits;
  const Int lowest_pattern = Int{} + (lowest << kMantissa);
  const typename Source::Int inverse_field = 2 * Source::kBias + bits - 1;  // 1 / u = 2^(bits - 1 - e)

  V sum[kRows][kVectors] = {};
  for (std::int64_t group = begin; group < end; group += accumulator.group) {
    const std::int64_t group_end = group + accumulator.group < end ? group + accumulator.group : end;
    Int largest[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) largest[r][v] = bits_as<Int>(sum[r][v]) & magnitude_mask;
    for (std::int64_t k = group; k < group_end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const V b = load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
        for (int r = 0; r < kRows; ++r) {
          const Int magnitude = bits_as<Int>(static_cast<Real>(tile.a[r][k]) * b) & magnitude_mask;
          largest[r][v] = magnitude > largest[r][v] ? magnitude : largest[r][v];
        }
      }
    }

    V inverse[kRows][kVectors], units[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Int raised = largest[r][v] > lowest_pattern ? largest[r][v] : lowest_pattern;
        inverse[r][v] = bits_as<V>((inverse_field - (raised >> kMantissa)) << kMantissa);
        units[r][v] = to_units<Cut, Real>(sum[r][v] * inverse[r][v]);
      }
    }
    for (std::int64_t k = group; k < group_end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const V b = load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
        for (int r = 0; r < kRows; ++r)
          units[r][v] += to_units<Cut, Real>(static_cast<Real>(tile.a[r][k]) * b * inverse[r][v]);
      }
    }

    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Int raised = largest[r][v] > lowest_pattern ? largest[r][v] : lowest_pattern;
        const V unit = bits_as<V>((raised & field_mask) - (static_cast<typename Source::Int>(bits - 1) << kMantissa));
        if constexpr (!kWide) {
          sum[r][v] = normalise_narrow<Cut>(units[r][v], cut_bits) * unit;
        } else {
          V total = units[r][v] * unit;
          const Int special = largest[r][v] >= field_mask;
          bool any = false;
          for (int j = 0; j < kLanes; ++j) any |= special[j] != 0;
          if (any) {
            V plain = sum[r][v];
            for (std::int64_t k = group; k < group_end; ++k)
              plain += static_cast<Real>(tile.a[r][k]) * load<V>(tile.panel + k * kWidth<Real> + v * kLanes);
            total = bits_as<V>((bits_as<Int>(plain) & special) | (bits_as<Int>(total) & ~special));
          }
          sum[r][v] = normalise_wide<Cut>(total, tile.call->wide_register);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(registers[r] + v * kLanes, sum[r][v]);
}
