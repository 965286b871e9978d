// SPDX-License-Identifier: Apache-2.0
// The loops of row_kernels.h. Included by one file per instruction set, inside that set's namespace, after lanes.h;
// everything here has internal linkage and calls only always_inline functions.

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void norm_forward(const NormForward& call, std::int64_t first_row, std::int64_t last_row) {
  const std::int64_t width = call.width;
  const auto size = static_cast<float>(width);
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const float* x = call.x + row * width;
    FloatLanes sums = {};
    if (call.addend != nullptr) {
      const float* addend = call.addend + row * width;
      float* sum = call.sum + row * width;
      for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
        FloatLanes a, b;
        load_lanes(x + i, count, 0, a), load_lanes(addend + i, count, 0, b);
        a += b;
        store_lanes(a, count, sum + i);
        sums += a;
      });
      x = sum;
    } else if (call.centred) {
      for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
        FloatLanes a;
        load_lanes(x + i, count, 0, a);
        sums += a;
      });
    }
    const float mean = call.centred ? sum_of_lanes(sums) / size : 0.0f;
    FloatLanes squares = {};
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes a;
      load_lanes(x + i, count, mean, a);
      a -= mean;
      squares += a * a;
    });
    const float r = 1.0f / std::sqrt(sum_of_lanes(squares) / size + call.eps);
    call.statistics[2 * row] = mean, call.statistics[2 * row + 1] = r;
    float* y = call.y + row * width;
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes a, gain, bias = {};
      load_lanes(x + i, count, 0, a), load_lanes(call.gain + i, count, 0, gain);
      if (call.bias != nullptr) load_lanes(call.bias + i, count, 0, bias);
      a = (a - mean) * r * gain;
      if (call.bias != nullptr) a += bias;
      store_lanes(a, count, y + i);
    });
  }
}

void norm_backward(const NormBackward& call, std::int64_t first_row, std::int64_t last_row) {
  const std::int64_t width = call.width;
  const auto size = static_cast<float>(width);
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const float *x = call.x + row * width, *dy = call.dy + row * width;
    const float mean = call.statistics[2 * row], r = call.statistics[2 * row + 1];
    FloatLanes sums = {}, pulls = {};
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes h, upstream, gain, to_gain;
      load_lanes(x + i, count, mean, h), load_lanes(dy + i, count, 0, upstream);
      load_lanes(call.gain + i, count, 0, gain), load_lanes(call.dgain + i, count, 0, to_gain);
      h = (h - mean) * r;
      const FloatLanes g = upstream * gain;
      sums += g;
      pulls += g * h;
      to_gain += upstream * h;
      store_lanes(to_gain, count, call.dgain + i);
      if (call.dbias == nullptr) return;
      FloatLanes to_bias;
      load_lanes(call.dbias + i, count, 0, to_bias);
      to_bias += upstream;
      store_lanes(to_bias, count, call.dbias + i);
    });
    const float shift = call.centred ? sum_of_lanes(sums) / size : 0.0f, pull = sum_of_lanes(pulls) / size;
    float* dx = call.dx + row * width;
    const float* addend = call.addend == nullptr ? nullptr : call.addend + row * width;
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes h, upstream, gain, more = {};
      load_lanes(x + i, count, mean, h), load_lanes(dy + i, count, 0, upstream);
      load_lanes(call.gain + i, count, 0, gain);
      if (addend != nullptr) load_lanes(addend + i, count, 0, more);
      h = (h - mean) * r;
      FloatLanes result = (upstream * gain - shift - h * pull) * r;
      if (addend != nullptr) result += more;
      store_lanes(result, count, dx + i);
    });
  }
}

// Rows of a causal matrix: the first `count` lanes, then zeros as far as the row goes.
PRECIPICE_INLINE void store_past(FloatLanes& x, std::int64_t count, std::int64_t i, std::int64_t length, float* row) {
  if (count != kFloatLanes) keep_lanes(count, 0, x);
  store_lanes(x, length - i < kFloatLanes ? length - i : kFloatLanes, row + i);
}
PRECIPICE_INLINE void clear_future(std::int64_t past, std::int64_t length, float* row) {
  const std::int64_t first = (past + kFloatLanes - 1) / kFloatLanes * kFloatLanes;
  if (first < length) std::memset(row + first, 0, static_cast<std::size_t>(length - first) * sizeof(float));
}

void causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t first_row, std::int64_t last_row) {
  for (std::int64_t row = first_row; row < last_row; ++row) {
    float* p = scores + (row - first_row) * length;
    const std::int64_t past = row % length + 1;
    FloatLanes largest = FloatLanes{} - kInfinity;
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes x;
      load_lanes(p + i, count, -kInfinity, length - i, x);
      choose_less(largest, x, x, largest, largest);
    });
    const float m = largest_of_lanes(largest) * scale;
    FloatLanes sums = {};
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes x;
      load_lanes(p + i, count, -kInfinity, length - i, x);
      x = x * scale - m;
      exponential_of_lanes(x);
      sums += x;
      store_past(x, count, i, length, p);
    });
    const float total = sum_of_lanes(sums);
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes x;
      load_lanes(p + i, count, 0, length - i, x);
      x /= total;
      store_past(x, count, i, length, p);
    });
    clear_future(past, length, p);
  }
}

void causal_softmax_backward(const float* weights, float* gradients, std::int64_t length, float scale,
                             std::int64_t first_row, std::int64_t last_row) {
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const float* p = weights + (row - first_row) * length;
    float* g = gradients + (row - first_row) * length;
    const std::int64_t past = row % length + 1;
    FloatLanes sums = {};
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes a, b;
      load_lanes(p + i, count, 0, length - i, a), load_lanes(g + i, count, 0, length - i, b);
      sums += a * b;
    });
    const float mean = sum_of_lanes(sums);
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes a, b;
      load_lanes(p + i, count, 0, length - i, a), load_lanes(g + i, count, mean, length - i, b);
      b = a * scale * (b - mean);
      store_past(b, count, i, length, g);
    });
    clear_future(past, length, g);
  }
}

// Sums of at most this many groups of lanes in fp32, then in double: long rows keep their digits.
constexpr std::int64_t kLogitChunk = 64 * kFloatLanes;

// Beyond any logit whose moments are of use, and small enough for their powers.
constexpr float kBound = 1e12f;

// Masked: some logits may be infinite or beyond kBound.
template <bool Moments, bool Masked>
PRECIPICE_INLINE void logit_sums(const float* z, float m, std::int64_t size, float* e, LogitRow& row) {
  FloatLanes sums = {}, moments[kLogitMoments] = {};
  for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    FloatLanes x;
    load_lanes(z + i, count, -kInfinity, x);
    FloatLanes power = x - m;
    exponential_of_lanes(power);
    store_lanes(power, count, e + i);
    sums += power;
    if constexpr (Moments) {
      // A masked logit is not infinite here: its term is 0, and 0 times infinity would be NaN.
      const FloatLanes magnitude = magnitude_of_lanes(x);
      FloatLanes reach = magnitude;
      if (Masked || count < kFloatLanes)
        choose_less(magnitude, FloatLanes{} + kBound, magnitude, FloatLanes{} + kBound, reach);
      reach += 1.0f;
      for (FloatLanes& moment : moments) {
        power *= reach;
        moment += power;
      }
    }
  });
  row.others += double{sum_of_lanes(sums)};
  if constexpr (Moments)
    for (int j = 0; j < kLogitMoments; ++j) row.moments[j] += double{sum_of_lanes(moments[j])};
}

template <bool Moments>
void logit_row_as(const float* z, std::int64_t width, std::int64_t target, float* e, LogitRow& row) {
  FloatLanes low = FloatLanes{} + kInfinity, high = FloatLanes{} - kInfinity;
  for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    FloatLanes x;
    load_lanes(z + i, count, z[0], x);
    choose_less(x, low, x, low, low);
    choose_less(high, x, x, high, high);
  });
  row = {};
  row.high = largest_of_lanes(high);
  low = -low;
  row.low = -largest_of_lanes(low);
  const bool is_bounded = row.low > -kBound && row.high < kBound;
  // The target's chunk goes through a copy in which it is masked: its own term must not drown the others.
  const std::int64_t masked = target / kLogitChunk * kLogitChunk;
  for (std::int64_t begin = 0; begin < width; begin += kLogitChunk) {
    const std::int64_t size = width - begin < kLogitChunk ? width - begin : kLogitChunk;
    if (begin != masked) {
      if (is_bounded)
        logit_sums<Moments, false>(z + begin, row.high, size, e + begin, row);
      else
        logit_sums<Moments, true>(z + begin, row.high, size, e + begin, row);
      continue;
    }
    float copy[kLogitChunk];
    std::memcpy(copy, z + begin, static_cast<std::size_t>(size) * sizeof(float));
    copy[target - begin] = -kInfinity;
    logit_sums<Moments, true>(copy, row.high, size, e + begin, row);
  }
  FloatLanes of_target = FloatLanes{} + (z[target] - row.high);
  exponential_of_lanes(of_target);
  e[target] = of_target[0];
  row.target = double{of_target[0]};
}

void logit_row(const float* z, std::int64_t width, std::int64_t target, bool moments, float* e, LogitRow& row) {
  if (moments)
    logit_row_as<true>(z, width, target, e, row);
  else
    logit_row_as<false>(z, width, target, e, row);
}

void gelu(const float* x, std::int64_t size, float* y, float* derivative) {
  constexpr float kP = 0.3275911f * 0.70710678f;  // 1 / sqrt(2): erf's argument is x / sqrt(2)
  constexpr float kA[] = {0.254829592f, -0.284496736f, 1.421413741f, -1.453152027f, 1.061405429f};
  constexpr float kDensity = 0.39894228f;  // 1 / sqrt(2 pi)
  for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    FloatLanes v;
    load_lanes(x + i, count, 0, v);
    const FloatLanes magnitude = magnitude_of_lanes(v);
    const FloatLanes t = 1.0f / (magnitude * kP + 1.0f);
    FloatLanes e = v * v * -0.5f;
    exponential_of_lanes(e);
    const FloatLanes tail = ((((t * kA[4] + kA[3]) * t + kA[2]) * t + kA[1]) * t + kA[0]) * t * e * 0.5f;
    FloatLanes phi;
    choose_less(v, FloatLanes{}, tail, 1.0f - tail, phi);
    const FloatLanes value = v * phi;
    store_lanes(value, count, y + i);
    if (derivative == nullptr) return;
    const FloatLanes slope = v * e * kDensity + phi;
    store_lanes(slope, count, derivative + i);
  });
}

void scale_row(float* x, std::int64_t size, float factor) {
  for (std::int64_t i = 0; i < size; ++i) x[i] *= factor;
}

}  // namespace

const RowKernels kRowKernels{norm_forward, norm_backward, causal_softmax, causal_softmax_backward,
                             logit_row,    gelu,          scale_row};
