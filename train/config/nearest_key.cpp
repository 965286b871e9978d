// SPDX-License-Identifier: Apache-2.0
#include "train/config/nearest_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "precision/base/check.h"

namespace precipice {
namespace {

// What other programs call a key, where its last part alone does not lead there.
const std::map<std::string, std::string>& names_elsewhere() {
  static const std::map<std::string, std::string> names = {
      {"learning_rate", "optimizer.lr"}, {"learning-rate", "optimizer.lr"}, {"batch_size", "train.batch"},
      {"batch-size", "train.batch"},     {"max_steps", "train.steps"},      {"max_iters", "train.steps"},
      {"iterations", "train.steps"},     {"format", "precision.recipe"},    {"precision", "precision.recipe"},
      {"n_layer", "model.layers"},       {"num_layers", "model.layers"},    {"depth", "model.layers"},
      {"n_embd", "model.width"},         {"d_model", "model.width"},        {"hidden_size", "model.width"},
      {"n_head", "model.heads"},         {"num_heads", "model.heads"},      {"block_size", "model.context"},
      {"seq_len", "model.context"},      {"dataset", "data.path"}};
  return names;
}

std::string last_part(const std::string& key) {
  return key.substr(key.rfind('.') + 1);  // npos + 1 is 0
}

}  // namespace

std::string nearest_key(const std::string& name, const std::vector<std::string>& keys) {
  const std::string last = last_part(name);
  if (const auto known = names_elsewhere().find(last); known != names_elsewhere().end()) return known->second;
  std::vector<std::string> lasts, same_last;
  for (const std::string& key : keys) {
    lasts.push_back(last_part(key));
    if (lasts.back() == last) same_last.push_back(key);
  }
  if (!same_last.empty()) return fmt::format("{}", fmt::join(same_last, " or "));
  if (const std::string near = nearest_word(name, keys); !near.empty()) return near;
  const auto place = std::find(lasts.begin(), lasts.end(), nearest_word(last, lasts));
  return place == lasts.end() ? "" : keys[static_cast<std::size_t>(place - lasts.begin())];
}

}  // namespace precipice
