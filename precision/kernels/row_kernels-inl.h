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
        const FloatLanes a = load_lanes(x + i, count, 0) + load_lanes(addend + i, count, 0);
        store_lanes(a, count, sum + i);
        sums += a;
      });
      x = sum;
    } else if (call.centred) {
      for_lanes(width,
                [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS { sums += load_lanes(x + i, count, 0); });
    }
    const float mean = call.centred ? sum_of_lanes(sums) / size : 0.0f;
    FloatLanes squares = {};
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes a = load_lanes(x + i, count, mean) - mean;
      squares += a * a;
    });
    const float r = 1.0f / std::sqrt(sum_of_lanes(squares) / size + call.eps);
    call.statistics[2 * row] = mean, call.statistics[2 * row + 1] = r;
    float* y = call.y + row * width;
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      FloatLanes a = (load_lanes(x + i, count, 0) - mean) * r * load_lanes(call.gain + i, count, 0);
      if (call.bias != nullptr) a += load_lanes(call.bias + i, count, 0);
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
      const FloatLanes h = (load_lanes(x + i, count, mean) - mean) * r, upstream = load_lanes(dy + i, count, 0);
      const FloatLanes g = upstream * load_lanes(call.gain + i, count, 0);
      sums += g;
      pulls += g * h;
      store_lanes(load_lanes(call.dgain + i, count, 0) + upstream * h, count, call.dgain + i);
      if (call.dbias != nullptr) store_lanes(load_lanes(call.dbias + i, count, 0) + upstream, count, call.dbias + i);
    });
    const float shift = call.centred ? sum_of_lanes(sums) / size : 0.0f, pull = sum_of_lanes(pulls) / size;
    float* dx = call.dx + row * width;
    const float* addend = call.addend == nullptr ? nullptr : call.addend + row * width;
    for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes h = (load_lanes(x + i, count, mean) - mean) * r;
      const FloatLanes g = load_lanes(dy + i, count, 0) * load_lanes(call.gain + i, count, 0);
      FloatLanes result = (g - shift - h * pull) * r;
      if (addend != nullptr) result += load_lanes(addend + i, count, 0);
      store_lanes(result, count, dx + i);
    });
  }
}

// Rows of a causal matrix: the first `count` lanes, then zeros as far as the row goes.
PRECIPICE_HD void store_past(const FloatLanes& x, std::int64_t count, std::int64_t i, std::int64_t length, float* row) {
  const FloatLanes kept = count == kFloatLanes ? x : keep_lanes(x, count, 0);
  store_lanes(kept, length - i < kFloatLanes ? length - i : kFloatLanes, row + i);
}
PRECIPICE_HD void clear_future(std::int64_t past, std::int64_t length, float* row) {
  const std::int64_t first = (past + kFloatLanes - 1) / kFloatLanes * kFloatLanes;
  if (first < length) std::memset(row + first, 0, static_cast<std::size_t>(length - first) * sizeof(float));
}

void causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t first_row, std::int64_t last_row) {
  for (std::int64_t row = first_row; row < last_row; ++row) {
    float* p = scores + (row - first_row) * length;
    const std::int64_t past = row % length + 1;
    FloatLanes largest = -kInfinity;
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes x = load_lanes(p + i, count, -kInfinity, length - i);
      largest = choose_less(largest, x, x, largest);
    });
    const float m = largest_of_lanes(largest) * scale;
    FloatLanes sums = {};
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes e = exponential_of_lanes(load_lanes(p + i, count, -kInfinity, length - i) * scale - m);
      sums += e;
      store_past(e, count, i, length, p);
    });
    const float total = sum_of_lanes(sums);
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      store_past(load_lanes(p + i, count, 0, length - i) / total, count, i, length, p);
    });
    clear_future(past, length, p);
  }
}

void causal_softmax_backward(const float* weights, float* gradients, const float* deltas, std::int64_t length,
                             float scale, std::int64_t first_row, std::int64_t last_row) {
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const float* p = weights + (row - first_row) * length;
    float* g = gradients + (row - first_row) * length;
    const std::int64_t past = row % length + 1;
    FloatLanes sums = {};
    if (deltas == nullptr) {
      for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
        sums += load_lanes(p + i, count, 0, length - i) * load_lanes(g + i, count, 0, length - i);
      });
    }
    const float mean = deltas == nullptr ? sum_of_lanes(sums) : deltas[row - first_row];
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes a = load_lanes(p + i, count, 0, length - i), b = load_lanes(g + i, count, mean, length - i);
      store_past(a * scale * (b - mean), count, i, length, g);
    });
    clear_future(past, length, g);
  }
}

// The largest scaled score of a block of keys, moved away where it is repeated.
PRECIPICE_HD float block_maximum(const float* scores, std::int64_t size, std::int64_t room, float scale, float beta) {
  FloatLanes largest = -kInfinity;
  for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    const FloatLanes x = load_lanes(scores + i, count, -kInfinity, room - i);
    largest = choose_less(largest, x, x, largest);
  });
  const float m = largest_of_lanes(largest) * scale;
  if (beta == 0) return m;
  FloatLanes near = {};
  for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    near += choose_less(load_lanes(scores + i, count, -kInfinity, room - i) * scale, m - kNearMaximum, 0.0f, 1.0f);
  });
  if (!(sum_of_lanes(near) > 1)) return m;
  return m > 0 ? beta * m : 0.0f;
}

void online_softmax(const OnlineSoftmax& call, std::int64_t first_row, std::int64_t last_row) {
  const std::int64_t length = call.length, blocks = (length + call.block - 1) / call.block;
  const float scale = call.scale;
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const std::int64_t past = row % length + 1;
    const float* scores = call.scores + (row - first_row) * length;
    float* p = call.weights + (row - first_row) * length;
    float* maxima = call.maxima + (row - first_row) * blocks;
    float* totals = call.sums + (row - first_row) * blocks;
    float m = -kInfinity;
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t begin = b * call.block, room = length - begin;
      const std::int64_t size = past - begin < call.block ? past - begin : call.block;
      FloatLanes sums = {};
      if (size > 0) {
        const float of_block = block_maximum(scores + begin, size, room, scale, call.beta);
        m = m < of_block ? of_block : m;
        for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
          const FloatLanes s = load_lanes(scores + begin + i, count, -kInfinity, room - i);
          const FloatLanes e = exponential_of_lanes(s * scale - m);
          sums += e;
          store_past(e, count, i, room, p + begin);
        });
      }
      maxima[b] = m, totals[b] = sum_of_lanes(sums);
    }
    clear_future(past, length, p);
  }
}

void softmax_of_sums(const float* scores, const float* log_sums, float* weights, std::int64_t length, float scale,
                     std::int64_t first_row, std::int64_t last_row) {
  for (std::int64_t row = first_row; row < last_row; ++row) {
    const std::int64_t past = row % length + 1;
    const float* s = scores + (row - first_row) * length;
    float* p = weights + (row - first_row) * length;
    const float log_sum = log_sums[row - first_row];
    for_lanes(past, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
      const FloatLanes x = load_lanes(s + i, count, -kInfinity, length - i);
      store_past(exponential_of_lanes(x * scale - log_sum), count, i, length, p);
    });
    clear_future(past, length, p);
  }
}

void dot_rows(const float* a, const float* b, std::int64_t rows, std::int64_t width, float* products) {
  for (std::int64_t row = 0; row < rows; ++row, a += width, b += width) {
    FloatLanes sums = {};
    for_lanes(width, [&](std::int64_t i, std::int64_t count)
                         PRECIPICE_ALWAYS { sums += load_lanes(a + i, count, 0) * load_lanes(b + i, count, 0); });
    products[row] = sum_of_lanes(sums);
  }
}

// Sums of at most this many groups of lanes in fp32, then in double: long rows keep their digits.
constexpr std::int64_t kLogitChunk = 64 * kFloatLanes;

// Beyond any logit whose moments are of use, and small enough for their powers.
constexpr float kBound = 1e12f;

// Masked: some logits may be infinite or beyond kBound.
template <bool Moments, bool Masked>
PRECIPICE_HD void logit_sums(const float* z, float m, std::int64_t size, float* e, LogitRow& row) {
  FloatLanes sums = {}, moments[kLogitMoments] = {};
  for_lanes(size, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    const FloatLanes x = load_lanes(z + i, count, -kInfinity);
    FloatLanes power = exponential_of_lanes(x - m);
    store_lanes(power, count, e + i);
    sums += power;
    if constexpr (Moments) {
      // A masked logit is not infinite here: its term is 0, and 0 times infinity would be NaN.
      const FloatLanes magnitude = magnitude_of_lanes(x);
      const bool is_masked = Masked || count < kFloatLanes;
      const FloatLanes reach = (is_masked ? choose_less(magnitude, kBound, magnitude, kBound) : magnitude) + 1.0f;
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
  FloatLanes low = kInfinity, high = -kInfinity;
  for_lanes(width, [&](std::int64_t i, std::int64_t count) PRECIPICE_ALWAYS {
    const FloatLanes x = load_lanes(z + i, count, z[0]);
    low = choose_less(x, low, x, low);
    high = choose_less(high, x, x, high);
  });
  row = {};
  row.high = largest_of_lanes(high);
  row.low = -largest_of_lanes(low * -1.0f);
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
  store_lanes(exponential_of_lanes(z[target] - row.high), 1, e + target);
  row.target = double{e[target]};
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
    const FloatLanes v = load_lanes(x + i, count, 0);
    const FloatLanes t = 1.0f / (magnitude_of_lanes(v) * kP + 1.0f);
    const FloatLanes e = exponential_of_lanes(v * v * -0.5f);
    const FloatLanes tail = ((((t * kA[4] + kA[3]) * t + kA[2]) * t + kA[1]) * t + kA[0]) * t * e * 0.5f;
    const FloatLanes phi = choose_less(v, 0.0f, tail, 1.0f - tail);
    store_lanes(v * phi, count, y + i);
    if (derivative != nullptr) store_lanes(v * e * kDensity + phi, count, derivative + i);
  });
}

void scale_row(float* x, std::int64_t size, float factor) {
  for (std::int64_t i = 0; i < size; ++i) x[i] *= factor;
}

void scale_and_add_row(float* x, std::int64_t size, float factor, const float* addend) {
  for (std::int64_t i = 0; i < size; ++i) x[i] = x[i] * factor + addend[i];
}

}  // namespace

const RowKernels kRowKernels{norm_forward,   norm_backward,   causal_softmax,   causal_softmax_backward,
                             online_softmax, softmax_of_sums, dot_rows,         logit_row,
                             gelu,           scale_row,       scale_and_add_row};
