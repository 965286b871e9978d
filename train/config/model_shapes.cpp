// SPDX-License-Identifier: Apache-2.0
#include "train/config/model_shapes.h"

#include "precision/base/check.h"

namespace precipice {
namespace {

void add_tensor(ParameterCount& count, std::int64_t elements) {
  count.elements += elements;
  ++count.tensors;
}

void add_norm(ParameterCount& count, std::int64_t width, bool bias) {
  add_tensor(count, width);
  ++count.gains;
  if (bias) add_tensor(count, width);
}

ParameterCount count_of_block(const ModelConfig& model) {
  ParameterCount count;
  for (const BlockLinear& linear : model.kind->linears(model)) {
    add_tensor(count, linear.out * linear.in);
    if (model.bias) add_tensor(count, linear.out);
  }
  for (int i = 0; i < (model.kind->has_attention() ? 2 : 1); ++i) add_norm(count, model.width, model.bias);
  if (model.qk_norm && model.kind->has_attention())
    for (int i = 0; i < 2; ++i) add_norm(count, model.head_size(), false);
  return count;
}

}  // namespace

WeightShape weight_at(const ModelConfig& model, SiteKind site) {
  WeightShape shape;
  for (const BlockLinear& linear : model.kind->linears(model)) {
    if (linear.site != site) continue;
    shape.out += linear.out;
    shape.in = linear.in;
    ++shape.parameters;
  }
  PRECIPICE_CHECK(shape.parameters > 0, "a block of ", model.kind->name, " has no weight at ", to_string(site));
  return shape;
}

ParameterCount count_parameters(const ModelConfig& model, std::int64_t vocabulary) {
  const ParameterCount block = count_of_block(model);
  ParameterCount count{model.layers * block.elements, model.layers * block.tensors, model.layers * block.gains};
  if (!model.kind->predicts_tokens()) return count;
  add_tensor(count, vocabulary * model.width);
  if (!model.is_tied()) add_tensor(count, vocabulary * model.width);
  if (model.kind->positions == Positions::Learned) add_tensor(count, model.context * model.width);
  if (model.norm_placement != NormPlacement::Post) add_norm(count, model.width, model.bias);
  return count;
}

}  // namespace precipice
