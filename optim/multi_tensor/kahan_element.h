// SPDX-License-Identifier: Apache-2.0
// KahanBody (multi_tensor_chunks.h) an element at a time, for the threads of a GPU: the CPU's pieces of 128 elements round
// through its array loops. With R nearest-even rounding to the format and d what the rule adds:
//   u = R(k + d),  p' = R(p + u),  k' = R(u + R(p - p'))
#pragma once

#include "optim/multi_tensor/multi_tensor_chunks.h"
#include "optim/multi_tensor/multi_tensor_functors.h"
#include "precision/base/host_device.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

template <class Rule>
struct KahanElement {  // {g, p, moments..., k}
  static constexpr int kLists = KahanBody<Rule>::kLists, kMeasures = 2;
  static constexpr unsigned kWritten = (1u << kLists) - 2;
  ChangeBody<Rule> change;
  FormatConstants format;

  KahanElement(const OptimizerConfig& config, const UpdateArgs& update)
      : change{{config, update}}, format(prepare(*update.kahan, Overflow::Native)) {}

  PRECIPICE_HD void set_grad_scale(float factor) { change.update.set_grad_scale(factor); }

  PRECIPICE_HD Measures operator()(float (&x)[kLists]) const {
    float inner[kLists - 1];
    for (int d = 0; d < kLists - 1; ++d) inner[d] = x[d];
    const float added = change(inner).value[0];
    for (int d = 2; d < kLists - 1; ++d) x[d] = inner[d];
    const float p = x[1], u = rounded(x[kLists - 1] + added), next = rounded(p + u);
    x[1] = next;
    x[kLists - 1] = rounded(u + rounded(p - next));
    return {{next - p, p}};
  }

 private:
  PRECIPICE_HD float rounded(float x) const { return round_to_format<Rounding::NearestEven>(x, format); }
};

}  // namespace precipice
