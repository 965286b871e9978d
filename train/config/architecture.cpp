// SPDX-License-Identifier: Apache-2.0
// The table of architectures. Shapes and names of weights are those of the reference code that train/model/gpt.cpp and
// train/model/llama.cpp, and those of train/model/mlp.cpp, name.
#include "train/config/architecture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "precision/base/check.h"
#include "train/config/run_config.h"

namespace precipice {
namespace {

std::vector<BlockLinear> gpt_linears(const ModelConfig& m) {
  return {{SiteKind::AttnQkv, "attn.c_attn", m.width + 2 * m.key_width(), m.width},
          {SiteKind::AttnProj, "attn.c_proj", m.width, m.width},
          {SiteKind::MlpUp, "mlp.c_fc", m.mlp_width(), m.width},
          {SiteKind::MlpDown, "mlp.c_proj", m.width, m.mlp_width()}};
}

std::vector<BlockLinear> llama_linears(const ModelConfig& m) {
  return {{SiteKind::AttnQkv, "self_attn.q_proj", m.width, m.width},
          {SiteKind::AttnQkv, "self_attn.k_proj", m.key_width(), m.width},
          {SiteKind::AttnQkv, "self_attn.v_proj", m.key_width(), m.width},
          {SiteKind::AttnProj, "self_attn.o_proj", m.width, m.width},
          {SiteKind::MlpGate, "mlp.gate_proj", m.mlp_width(), m.width},
          {SiteKind::MlpUp, "mlp.up_proj", m.mlp_width(), m.width},
          {SiteKind::MlpDown, "mlp.down_proj", m.width, m.mlp_width()}};
}

std::vector<BlockLinear> mlp_linears(const ModelConfig& m) {
  return {{SiteKind::MlpUp, "fc1", m.mlp_width(), m.width}, {SiteKind::MlpDown, "fc2", m.width, m.mlp_width()}};
}

std::deque<Architecture> table() {
  std::deque<Architecture> rows;
  rows.push_back({.name = "gpt",
                  .summary = "LayerNorm, learned positions, GELU",
                  .norm = NormKind::Layer,
                  .positions = Positions::Learned,
                  .activation = "gelu",
                  .has_biases = true,
                  .tied_head = true,
                  .hidden = [](std::int64_t width) { return 4 * width; },
                  .hidden_help = "4 width",
                  .block_sites = kBlockSites,
                  .linears = gpt_linears});
  rows.push_back({.name = "llama",
                  .summary = "RMSNorm, rotary positions, SwiGLU, no biases",
                  .norm = NormKind::Rms,
                  .positions = Positions::Rotary,
                  .activation = "swiglu",
                  .has_biases = false,
                  .tied_head = false,
                  // 8 / 3 of the width, since a gated MLP has three matrices where the other has two.
                  .hidden = [](std::int64_t width) { return (8 * width + 95) / 96 * 32; },
                  .hidden_help = "8/3 width rounded up to a multiple of 32",
                  .block_sites = kGatedBlockSites,
                  .linears = llama_linears});
  rows.push_back({.name = "mlp",
                  .summary = "a residual MLP of LayerNorm and GELU that learns from a teacher (data.source = teacher)",
                  .norm = NormKind::Layer,
                  .positions = Positions::None,
                  .activation = "gelu",
                  .has_biases = true,
                  .tied_head = false,
                  .hidden = [](std::int64_t width) { return 4 * width; },
                  .hidden_help = "4 width",
                  .block_sites = kMlpBlockSites,
                  .linears = mlp_linears,
                  .task = Task::Vectors});
  return rows;
}

std::deque<Architecture>& known_architectures() {
  static std::deque<Architecture> all = table();
  return all;
}

}  // namespace

bool Architecture::has_attention() const {
  return std::find(block_sites.begin(), block_sites.end(), SiteKind::AttnQkv) != block_sites.end();
}

bool Architecture::is_gated() const {
  return std::find(block_sites.begin(), block_sites.end(), SiteKind::MlpGate) != block_sites.end();
}

const std::deque<Architecture>& architectures() {
  return known_architectures();
}

const Architecture& find_architecture(std::string_view name) {
  for (const Architecture& architecture : architectures())
    if (architecture.name == name) return architecture;
  throw ConfigError({"", 0, "model.kind", std::string(name.substr(0, 60))},
                    fmt::format("must be one of {}",
                                fmt::join(names_of_architectures([](const Architecture&) { return true; }), ", ")));
}

void add_architecture(Architecture architecture) {
  for (const Architecture& other : architectures())
    PRECIPICE_CHECK(other.name != architecture.name, "a second architecture ", architecture.name);
  known_architectures().push_back(std::move(architecture));
}

void remove_last_architecture() {
  known_architectures().pop_back();
}

std::vector<std::string> names_of_architectures(const std::function<bool(const Architecture&)>& is_wanted) {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures())
    if (is_wanted(architecture)) names.push_back(architecture.name);
  return names;
}

}  // namespace precipice
