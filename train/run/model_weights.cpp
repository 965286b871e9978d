// SPDX-License-Identifier: Apache-2.0
// Initial values, loading and saving of the model's parameters.
#include "train/run/model_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "precision/base/check.h"
#include "precision/rounding/random_streams.h"
#include "train/model/architectures.h"
#include "train/model/weights_file.h"

namespace precipice {
namespace {

// A normal pair from two words: Box and Muller 1958, with u1 in (0, 1].
double normal(const RandomKey& key, std::uint64_t element) {
  const Philox4 block = random_block(key, element);
  const double u1 = (block.word[0] + 1.0) * 0x1p-32, u2 = block.word[1] * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
}

NamedArray to_array(const std::string& name, const at::Tensor& value) {
  const float* data = value.const_data_ptr<float>();
  return {name, value.sizes().vec(), std::vector<float>(data, data + value.numel())};
}

constexpr const char* kHeadName = "lm_head.weight";

}  // namespace

void Model::initialise(const InitConfig& init) {
  std::uint32_t index = 0;
  for (auto& parameter : parameters_) {
    const RandomKey key =
        random_key(kInitialWeightStream, static_cast<std::uint64_t>(init.seed.value_or(0)), 0, index++);
    float* data = parameter.value.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < parameter.value.numel(); ++i)
      data[i] =
          static_cast<float>(parameter.init_std > 0 ? parameter.init_std * normal(key, static_cast<std::uint64_t>(i))
                                                    : parameter.init_value);
  }
  if (init.copied_head)
    std::memcpy(head_.mutable_data_ptr<float>(), token_embedding_.const_data_ptr<float>(), head_.nbytes());
}

void Model::load(const std::vector<NamedArray>& weights, const std::string& name) {
  std::map<std::string, const NamedArray*> by_name;
  for (const auto& array : weights) by_name[array.name] = &array;
  for (auto& parameter : parameters_) {
    const auto found = by_name.find(parameter.name);
    if (found == by_name.end()) throw DataError(name + ": " + parameter.name + " is missing");
    if (found->second->shape != parameter.value.sizes().vec())
      throw DataError(fmt::format("{}: {} has shape ({}), the model has ({})", name, parameter.name,
                                  fmt::join(found->second->shape, ", "),
                                  fmt::join(parameter.value.sizes().vec(), ", ")));
    std::memcpy(parameter.value.mutable_data_ptr<float>(), found->second->values.data(),
                found->second->values.size() * sizeof(float));
    by_name.erase(found);
  }
  const auto head = by_name.find(kHeadName);
  if (config_.is_tied() && head != by_name.end()) {
    if (head->second->values != to_array("", token_embedding_).values)
      throw DataError(name + ": lm_head.weight differs from the embedding; set model.tied_head = false");
    by_name.erase(head);
  }
  if (!by_name.empty()) throw DataError(name + ": " + by_name.begin()->first + " is not part of the model");
}

std::vector<NamedArray> Model::weights() const {
  std::vector<NamedArray> arrays;
  for (const auto& parameter : parameters_) arrays.push_back(to_array(parameter.name, parameter.value));
  if (config_.is_tied()) {
    arrays.push_back(arrays.front());  // the embedding
    arrays.back().name = kHeadName;
  }
  return arrays;
}

std::unique_ptr<Model> make_model(const ResolvedRun& run, std::int64_t vocabulary) {
  const InitConfig& init = run.config.init;
  auto model = make_model(run.config.model, init, vocabulary, run.schedule);
  try {
    if (!init.from.empty()) model->load(read_weights(init.from), init.from);
  } catch (const DataError& error) {  // begins with the path
    throw DataError(std::string("init.from = ") + error.what());
  }
  if (init.plant.empty()) return model;
  const Plants plants = parse_plants(init.plant);
  check_plants(plants, run.config.model, vocabulary);
  model->plant(plants);
  return model;
}

}  // namespace precipice
