// SPDX-License-Identifier: Apache-2.0
#include "train/probes/step_observers.h"

namespace precipice {

void StepObservers::observe(std::size_t site, Slot slot, const EventCounts& events) {
  for (QuantizationObserver* observer : request_.operands) observer->observe(site, slot, events);
}

void StepObservers::see(std::size_t site, Slot slot, const at::Tensor& operand) {
  for (QuantizationObserver* observer : request_.operands) observer->see(site, slot, operand);
}

void StepObservers::take(std::size_t site, Slot slot, const at::Tensor& operand, const Quantized& taken) {
  for (QuantizationObserver* observer : request_.operands) observer->take(site, slot, operand, taken);
}

void StepObservers::attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) {
  for (AttentionObserver* observer : request_.attention) observer->attend(layer, scores, weights, scale);
}

}  // namespace precipice
