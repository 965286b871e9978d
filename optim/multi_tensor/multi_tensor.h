// SPDX-License-Identifier: Apache-2.0
// Multi-tensor kernels in apex's shape: op(chunk_size, noop_flag, tensor_lists, ...). One call walks many tensors chunk
// by chunk; the element bodies are host+device functors (multi_tensor_functors.h). tensor_lists[d][t] is tensor t of
// list d; all lists have equally many tensors of equal sizes, and two spans are either the same or disjoint. Arithmetic
// on elements is fp32; scalars derived from the arguments are computed in double and rounded once.
// Flag semantics (apex amp_C, csrc/multi_tensor_*.cu): scale and axpby propagate inf/NaN to the output, test their
// INPUT and set the flag; the kernel never clears it; l2norm sets it when the sum is not finite; sgd returns at once if
// the flag is set, plain adam ignores it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "precision/format/float_format.h"

namespace precipice {

struct FloatSpan {
  float* data = nullptr;
  std::int64_t size = 0;
};
using TensorList = std::vector<FloatSpan>;
using TensorLists = std::vector<TensorList>;

inline constexpr std::int64_t kChunkSize = 65536;

enum class AdamMode { L2, DecoupledDecay };  // weight decay in the gradient, or beside the update (AdamW)
enum class AxpbyCheck { Both = -1, X = 0, Y = 1 };

// lists {in, out}: out = scale * in
void multi_tensor_scale(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale);
// lists {x, y, out}: out = a x + b y
void multi_tensor_axpby(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float a, float b,
                        AxpbyCheck check);
// lists {t}: the global L2 norm; per_tensor gets one norm a tensor when not null. Summed in double per chunk, chunks in
// order, so the result does not depend on threads.
double multi_tensor_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists,
                           std::vector<double>* per_tensor);
// lists {in, out}: out = scale * in, and the L2 norm of out, in one pass (unscale + norm). Sets the flag as scale does,
// and also when the norm is not finite (a finite input times the scale can overflow).
double multi_tensor_unscale_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale);

struct AdamArgs {
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0;
  std::int64_t step = 1;  // 1-based, for bias correction
  AdamMode mode = AdamMode::DecoupledDecay;
  bool bias_correction = true;
  double weight_decay = 0;       // L2: g += weight_decay * p; decoupled: p -= lr * (update + weight_decay * p)
  double independent_decay = 0;  // outside the learning rate: p -= independent_decay * p (2309.14322: s_t * lambda)
  double grad_scale = 1;         // gradient clipping coefficient, applied as the gradient is read
  // Weights kept in this format with Kahan compensation, in one more list k. With R its nearest-even rounding and d
  // what the update would add (decay included): u = R(k + d), p' = R(p + u), k = R(u + R(p - p')).
  std::optional<FloatFormat> kahan;
};
// By-products of an update: sums of squares in double, chunk by chunk in order.
struct UpdateNorms {
  double update = 0;  // |p_new - p_old|^2
  double weight = 0;  // |p_old|^2
};
// lists {g, p, m, v}, with kahan {g, p, m, v, k}
UpdateNorms multi_tensor_adam(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const AdamArgs& args);

struct SgdArgs {
  double lr = 0, momentum = 0, dampening = 0, weight_decay = 0, independent_decay = 0, grad_scale = 1;
  // first_run: the momentum buffer is filled with the gradient instead of read.
  bool nesterov = false, first_run = false, weight_decay_after_momentum = false;
  std::optional<FloatFormat> kahan;
};
// lists {g, p, momentum}, with kahan {g, p, momentum, k}
UpdateNorms multi_tensor_sgd(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const SgdArgs& args);

struct LionArgs {
  double lr = 0, beta1 = 0, beta2 = 0;
  double weight_decay = 0;  // p -= lr * (sign + weight_decay * p)
  double independent_decay = 0, grad_scale = 1;
  std::optional<FloatFormat> kahan;
};
// lists {g, p, m}, with kahan {g, p, m, k}. The flag is neither read nor set.
UpdateNorms multi_tensor_lion(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const LionArgs& args);

}  // namespace precipice
