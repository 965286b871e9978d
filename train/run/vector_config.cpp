// SPDX-License-Identifier: Apache-2.0
#include "train/run/vector_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "precision/base/check.h"

namespace precipice {
namespace {

// Metrics of logits, by their intervals.
constexpr const char* kLogitIntervals[] = {"sharpness", "lbfgs", "fp32_sharpness", "centred_sharpness"};

// What was asked for and the kind of model has not.
struct Refusal {
  bool is_asked_for;
  std::string key, value, what;
};

std::string spelled_number(double value) {
  return fmt::format("{}", value);
}

std::vector<Refusal> refusals(const RunConfig& c) {
  const ModelConfig& m = c.model;
  const std::string attention = "no attention", head = "no LM head", logits = "no logits";
  std::vector<Refusal> all{
      {m.context != 1, "model.context", spelled_number(double(m.context)), "no positions: a sample has one, 1"},
      {m.heads != 1, "model.heads", spelled_number(double(m.heads)), attention},
      {m.key_heads() != 1, "model.kv_heads", spelled_number(double(m.key_heads())), attention},
      {m.qk_norm.has_value(), "model.qk_norm", m.qk_norm ? spelling_of(*m.qk_norm, kNormKinds) : "", attention},
      {m.norm_placement != NormPlacement::Pre, "model.norm_placement", spelling_of(m.norm_placement, kNormPlacements),
       "its norms before the linears, pre"},
      {m.is_tied(), "model.tied_head", "true", head},
      {m.softcap != 0, "model.softcap", spelled_number(m.softcap), logits},
      {c.init.copied_head, "init.copied_head", "true", head},
      {c.train.z_loss > 0, "train.z_loss", spelled_number(c.train.z_loss), logits},
      {!c.precision.attention.empty(), "precision.attention", c.precision.attention, attention},
      {!c.precision.softmax.empty(), "precision.softmax", c.precision.softmax, attention},
      {!c.precision.lm_head.empty(), "precision.lm_head", c.precision.lm_head, head}};
  for (const char* name : kLogitIntervals) {
    const std::int64_t every = c.metrics.intervals.at(name);
    all.push_back({every > 0, fmt::format("metrics.{}_every", name), spelled_number(double(every)), logits});
  }
  return all;
}

}  // namespace

void complete_for_vectors(RunConfig& config, const SettingPlaces& places) {
  if (config.model.kind->predicts_tokens()) return;
  if (!places.contains("data.source")) config.data.source = DataSource::Teacher;
  if (!places.contains("model.context")) config.model.context = 1;
  if (!places.contains("model.heads")) config.model.heads = 1;
  for (const char* name : kLogitIntervals)
    if (!places.contains(fmt::format("metrics.{}_every", name))) config.metrics.intervals[name] = 0;
  if (!config.data.teacher_layers) config.data.teacher_layers = config.model.layers;
  if (!config.data.teacher_hidden) config.data.teacher_hidden = config.model.mlp_width();
}

void check_task(const RunConfig& config) {
  const Architecture& kind = *config.model.kind;
  const bool is_teacher = config.data.source == DataSource::Teacher;
  if (kind.predicts_tokens() && is_teacher) {
    const std::vector<std::string> names =
        names_of_architectures([](const Architecture& other) { return !other.predicts_tokens(); });
    throw ConfigError(
        {"", 0, "data.source", to_string(config.data.source)},
        fmt::format("has no tokens: only model.kind = \"{}\" learns from it", fmt::join(names, "\" or \"")));
  }
  if (kind.predicts_tokens()) {
    const auto only = [](const char* key, const auto& value) {
      throw ConfigError({"", 0, key, fmt::format("{}", value)}, "needs data.source = \"teacher\"");
    };
    if (config.data.teacher_layers) only("data.teacher_layers", *config.data.teacher_layers);
    if (config.data.teacher_hidden) only("data.teacher_hidden", *config.data.teacher_hidden);
    if (config.data.teacher_noise != DataConfig{}.teacher_noise) only("data.teacher_noise", config.data.teacher_noise);
    return;
  }
  if (!is_teacher)
    throw ConfigError({"", 0, "data.source", to_string(config.data.source)},
                      fmt::format("model.kind = \"{}\" learns from data.source = \"teacher\"", kind.name));
  for (const Refusal& refusal : refusals(config))
    if (refusal.is_asked_for)
      throw ConfigError({"", 0, refusal.key, refusal.value},
                        fmt::format("model.kind = \"{}\" has {}", kind.name, refusal.what));
}

}  // namespace precipice
