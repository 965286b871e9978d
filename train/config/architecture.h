// SPDX-License-Identifier: Apache-2.0
// What is known of a model's architecture without making a model: the defaults and limits of its keys, its matmul sites,
// the shapes of its weights. Whatever depends on the kind of model asks here, so that no other file knows a kind by its
// name; train/model/architectures.h makes the models. docs/ADDING.md shows how one is added.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "precision/base/spellings.h"
#include "precision/policy/site_kind.h"

namespace precipice {

struct ModelConfig;

enum class NormKind : std::uint8_t { Layer, Rms };
inline constexpr Spellings<NormKind, 2> kNormKinds{{{"layernorm", NormKind::Layer}, {"rmsnorm", NormKind::Rms}}};

// Where a block's norms stand, with f its attention or its MLP.
enum class NormPlacement : std::uint8_t {
  Pre,    // x + f(norm(x)), and a norm before the head: GPT-2, Llama
  Post,   // norm(x + f(x)), and none before the head: Vaswani et al. 2017 (arXiv 1706.03762), GPT-1
  After,  // x + norm(f(x)), and a norm before the head: OLMo 2 (arXiv 2501.00656, section 3.1)
};
inline constexpr Spellings<NormPlacement, 3> kNormPlacements{
    {{"pre", NormPlacement::Pre}, {"post", NormPlacement::Post}, {"after", NormPlacement::After}}};

enum class Positions : std::uint8_t {
  Learned,  // an embedding (context, width), added to that of the tokens
  Rotary,   // queries and keys are turned (train/attention/rope.h)
  None      // a sample has one place
};
inline constexpr Spellings<Positions, 3> kPositions{
    {{"learned", Positions::Learned}, {"rotary", Positions::Rotary}, {"none", Positions::None}}};

// What a model learns.
enum class Task : std::uint8_t {
  Tokens,  // the next token, by its cross-entropy: an embedding before the blocks, an LM head behind them
  Vectors  // a vector of the stream's width from another one, by their mean squared difference: neither
};

// A weight (out, in) of a block. The weights of one site are multiplied as one matrix, one below the other.
struct BlockLinear {
  SiteKind site;
  const char* name;  // of the parameter, behind the block's own prefix and before ".weight"
  std::int64_t out, in;
};

struct Architecture {
  std::string name;     // the word of model.kind
  std::string summary;  // its parts in a few words, for the help of model.kind
  NormKind norm;        // of the residual stream
  Positions positions;
  std::string activation;  // of the MLP, in the attributes of exported weights
  bool has_biases;         // whether model.bias may be true
  bool tied_head;          // model.tied_head where a config does not set it
  // model.hidden where a config does not set it, and the same in words.
  std::int64_t (*hidden)(std::int64_t width);
  std::string hidden_help;
  std::span<const SiteKind> block_sites;
  std::vector<BlockLinear> (*linears)(const ModelConfig& model);
  // Its own rules beside those that every config is checked for. Throws ConfigError naming the key. Null: none.
  void (*check)(const ModelConfig& model) = nullptr;

  Task task = Task::Tokens;

  bool predicts_tokens() const { return task == Task::Tokens; }
  bool has_attention() const;
  bool has_rotary_positions() const { return positions == Positions::Rotary; }
  bool is_gated() const;  // whether the MLP has a gate
};

// In the order of the documentation; the first is the default of model.kind. References to them stay good.
const std::deque<Architecture>& architectures();
// Throws ConfigError with the names that there are.
const Architecture& find_architecture(std::string_view name);
// One more at the end, whose name is not taken, and the last one away again; no config may name it then. Meant for
// AddedArchitecture (train/model/architectures.h), which adds its model too.
void add_architecture(Architecture architecture);
void remove_last_architecture();
// Names of those of which `is_wanted` is true.
std::vector<std::string> names_of_architectures(const std::function<bool(const Architecture&)>& is_wanted);

}  // namespace precipice
