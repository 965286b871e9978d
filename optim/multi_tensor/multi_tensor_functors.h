// SPDX-License-Identifier: Apache-2.0
// What each multi-tensor kernel does to one element, for host and device alike; multi_tensor-inl.h walks a chunk on the
// CPU. A body gets x[d], the element of list d; it changes those of kWritten (bit d) and returns an Outcome.
// Adam: Kingma & Ba arXiv 1412.6980, decay Loshchilov & Hutter arXiv 1711.05101, in the operation order of
// torch.optim.AdamW (single tensor). SGD: the order of torch.optim.SGD and of apex csrc/multi_tensor_sgd_kernel.cu.
// Lion: Chen et al. arXiv 2302.06675, algorithm 2.
#pragma once

#include <cmath>
#include <cstdint>

#include "optim/multi_tensor/multi_tensor.h"
#include "precision/base/host_device.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// By-products of one element: the first kMeasures values are squared and summed, `nonfinite` is or-ed into the flag.
struct Outcome {
  float value[2] = {0.0f, 0.0f};
  std::uint32_t nonfinite = 0;
};

// inf - inf and NaN - NaN are NaN, which equals nothing.
PRECIPICE_HD std::uint32_t is_nonfinite(float x) {
  return x - x == 0.0f ? 0u : 1u;
}

struct ScaleBody {  // {in, out}
  static constexpr int kLists = 2, kMeasures = 1;
  static constexpr unsigned kWritten = 0b10;
  float scale;

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const {
    x[1] = scale * x[0];
    return {{x[1], 0.0f}, is_nonfinite(x[0])};
  }
};

struct AxpbyBody {  // {x, y, out}
  static constexpr int kLists = 3, kMeasures = 0;
  static constexpr unsigned kWritten = 0b100;
  float a, b;
  std::uint32_t check_x, check_y;  // 0 or 1

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const {
    x[2] = a * x[0] + b * x[1];
    return {{}, (is_nonfinite(x[0]) & check_x) | (is_nonfinite(x[1]) & check_y)};
  }
};

struct NormBody {  // {t}
  static constexpr int kLists = 1, kMeasures = 1;
  static constexpr unsigned kWritten = 0;

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const { return {{x[0], 0.0f}, 0}; }
};

// An update body has step(x), which changes the moments and returns what p loses beside decay; `keep`, what decay
// leaves of p; and `drop`, 1 - keep rounded from double.
template <class Body>
PRECIPICE_HD Outcome update_in_fp32(const Body& body, float (&x)[Body::kLists]) {
  const float p = x[1];
  const float step = body.step(x);
  x[1] = p * body.keep - step;
  return {{x[1] - p, p}, 0};
}

// What the update would add to p, decay included, as value[0]: p itself stays. For weights that are kept with
// compensation.
template <class Body>
struct ChangeBody {
  static constexpr int kLists = Body::kLists, kMeasures = 2;
  static constexpr unsigned kWritten = Body::kWritten & ~0b10u;
  Body body;

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const {
    const float p = x[1];
    return {{-(body.step(x) + body.drop * p), p}, 0};
  }
};

struct AdamBody {  // {g, p, m, v}
  static constexpr int kLists = 4, kMeasures = 2;
  static constexpr unsigned kWritten = 0b1110;
  float grad_scale, l2;  // l2: weight decay in the gradient
  float beta1, rest1;    // rest = 1 - beta, rounded from double: 1 - 0.999f is off by 1e-5
  float beta2, rest2;
  float correction2_root, eps;  // sqrt(1 - beta2^t)
  float step_size;              // lr / (1 - beta1^t)
  float keep, drop;             // what decoupled decay leaves of the weight, and takes

  explicit AdamBody(const AdamArgs& args)
      : grad_scale(static_cast<float>(args.grad_scale)),
        l2(static_cast<float>(args.mode == AdamMode::L2 ? args.weight_decay : 0.0)),
        beta1(static_cast<float>(args.beta1)),
        rest1(static_cast<float>(1 - args.beta1)),
        beta2(static_cast<float>(args.beta2)),
        rest2(static_cast<float>(1 - args.beta2)),
        correction2_root(static_cast<float>(std::sqrt(correction(args, args.beta2)))),
        eps(static_cast<float>(args.eps)),
        step_size(static_cast<float>(args.lr / correction(args, args.beta1))),
        keep(static_cast<float>(1 - (args.mode == AdamMode::L2 ? 0.0 : args.lr * args.weight_decay) -
                                args.independent_decay)),
        drop(static_cast<float>((args.mode == AdamMode::L2 ? 0.0 : args.lr * args.weight_decay) +
                                args.independent_decay)) {}

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const { return update_in_fp32(*this, x); }

  PRECIPICE_HD float step(float (&x)[kLists]) const {
    float g = x[0] * grad_scale;
    if (l2 != 0.0f) g += l2 * x[1];
    x[2] = beta1 * x[2] + rest1 * g;
    x[3] = beta2 * x[3] + rest2 * g * g;
    const float denominator = std::sqrt(x[3]) / correction2_root + eps;
    return step_size * x[2] / denominator;
  }

 private:
  static double correction(const AdamArgs& args, double beta) {
    return args.bias_correction ? 1 - std::pow(beta, static_cast<double>(args.step)) : 1.0;
  }
};

struct SgdBody {  // {g, p, momentum}
  static constexpr int kLists = 3, kMeasures = 2;
  static constexpr unsigned kWritten = 0b110;
  float grad_scale, decay_before, decay_after;  // weight decay in the gradient, before or after momentum
  float momentum, gain;                         // gain = 1 - dampening
  float lr, keep, drop;                         // what independent decay leaves of the weight, and takes
  std::uint32_t first_run, nesterov;            // 0 or 1; a bool in the loop stops the vectoriser

  explicit SgdBody(const SgdArgs& args)
      : grad_scale(static_cast<float>(args.grad_scale)),
        decay_before(static_cast<float>(args.weight_decay_after_momentum ? 0.0 : args.weight_decay)),
        decay_after(static_cast<float>(args.weight_decay_after_momentum ? args.weight_decay : 0.0)),
        momentum(static_cast<float>(args.momentum)),
        gain(static_cast<float>(1 - args.dampening)),
        lr(static_cast<float>(args.lr)),
        keep(static_cast<float>(1 - args.independent_decay)),
        drop(static_cast<float>(args.independent_decay)),
        first_run(args.first_run),
        nesterov(args.nesterov) {}

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const { return update_in_fp32(*this, x); }

  PRECIPICE_HD float step(float (&x)[kLists]) const {
    float g = x[0] * grad_scale;
    if (decay_before != 0.0f) g += decay_before * x[1];
    if (momentum != 0.0f) {
      x[2] = first_run ? g : momentum * x[2] + gain * g;
      g = nesterov ? g + momentum * x[2] : x[2];
    }
    if (decay_after != 0.0f) g += decay_after * x[1];
    return lr * g;
  }
};

struct LionBody {  // {g, p, m}
  static constexpr int kLists = 3, kMeasures = 2;
  static constexpr unsigned kWritten = 0b110;
  float grad_scale;
  float beta1, rest1, beta2, rest2;  // as AdamBody's
  float lr, keep, drop;              // what decay leaves of the weight, and takes

  explicit LionBody(const LionArgs& args)
      : grad_scale(static_cast<float>(args.grad_scale)),
        beta1(static_cast<float>(args.beta1)),
        rest1(static_cast<float>(1 - args.beta1)),
        beta2(static_cast<float>(args.beta2)),
        rest2(static_cast<float>(1 - args.beta2)),
        lr(static_cast<float>(args.lr)),
        keep(static_cast<float>(1 - args.lr * args.weight_decay - args.independent_decay)),
        drop(static_cast<float>(args.lr * args.weight_decay + args.independent_decay)) {}

  PRECIPICE_HD Outcome operator()(float (&x)[kLists]) const { return update_in_fp32(*this, x); }

  PRECIPICE_HD float step(float (&x)[kLists]) const {
    const float g = x[0] * grad_scale;
    const float direction = beta1 * x[2] + rest1 * g;
    x[2] = beta2 * x[2] + rest2 * g;
    // The sign of zero is zero and that of NaN is NaN.
    const float below = direction < 0.0f ? -1.0f : direction;
    return lr * (direction > 0.0f ? 1.0f : below);
  }
};

}  // namespace precipice
