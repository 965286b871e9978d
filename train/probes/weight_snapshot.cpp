// SPDX-License-Identifier: Apache-2.0
#include "train/probes/weight_snapshot.h"

#include <array>
#include <cstring>

#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

constexpr std::size_t kSnapshotLanes = 16;

double dot(const float* a, const float* b, std::size_t size) {
  std::array<double, kSnapshotLanes> lanes{};
  std::size_t i = 0;
  for (; i + kSnapshotLanes <= size; i += kSnapshotLanes)
    for (std::size_t lane = 0; lane < kSnapshotLanes; ++lane) lanes[lane] += double{a[i + lane]} * b[i + lane];
  for (; i < size; ++i) lanes[0] += double{a[i]} * b[i];
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

TensorVector copy_of_weights(const Model& model) {
  TensorVector copies;
  for (const NamedParameter& parameter : model.parameters()) copies.push_back(parameter.value.detach().clone());
  return copies;
}

void set_weights(const Model& model, const TensorVector& base) {
  PRECIPICE_CHECK(base.size() == model.parameters().size(), base.size(), " parameters");
  for (std::size_t i = 0; i < base.size(); ++i) {
    const at::Tensor& value = model.parameters()[i].value;
    if (value.is_cpu())
      std::memcpy(value.mutable_data_ptr(), base[i].const_data_ptr(), base[i].nbytes());
    else
      value.detach().copy_(base[i]);
  }
}

void set_weights(const Model& model, const TensorVector& base, double factor, const TensorVector& direction) {
  set_weights(model, base);
  for (std::size_t i = 0; i < base.size(); ++i) model.parameters()[i].value.detach().add_(direction.at(i), factor);
}

double inner_product(const TensorVector& a, const TensorVector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const at::Tensor x = on_host(a[i]), y = on_host(b.at(i));
    sum += dot(x.const_data_ptr<float>(), y.const_data_ptr<float>(), static_cast<std::size_t>(x.numel()));
  }
  return sum;
}

double squared_norm(const TensorVector& tensors) {
  return inner_product(tensors, tensors);
}

}  // namespace precipice
