// SPDX-License-Identifier: Apache-2.0
// What probes ask of a training step's own forward and backward pass, and how the pass, which knows one observer of
// each kind, shows it to many.
#pragma once

#include <vector>

#include "precision/autograd/quantized_matmul.h"
#include "train/attention/attention.h"

namespace precipice {

struct ForwardRequest {
  std::vector<QuantizationObserver*> operands;  // see every operand
  std::vector<AttentionObserver*> attention;    // see every softmax
  std::vector<double> epsilons;  // of the logit sharpness (ForwardPass::sharpness); all who ask want metrics.epsilons
};

// Passes on what the pass shows to all who asked, in their order. It must outlive the backward pass.
class StepObservers : private QuantizationObserver, private AttentionObserver {
 public:
  // `watcher`: of operands, or null.
  StepObservers(ForwardRequest request, QuantizationObserver* watcher) : request_(std::move(request)) {
    if (watcher) request_.operands.push_back(watcher);
  }

  // Null where nobody asked.
  QuantizationObserver* operands() { return request_.operands.empty() ? nullptr : this; }
  AttentionObserver* attention() { return request_.attention.empty() ? nullptr : this; }
  const std::vector<double>& epsilons() const { return request_.epsilons; }

 private:
  void observe(std::size_t site, Slot slot, const EventCounts& events) override;
  void see(std::size_t site, Slot slot, const at::Tensor& operand) override;
  void take(std::size_t site, Slot slot, const at::Tensor& operand, const Quantized& taken) override;
  void attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) override;

  ForwardRequest request_;
};

}  // namespace precipice
