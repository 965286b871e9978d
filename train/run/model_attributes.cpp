// SPDX-License-Identifier: Apache-2.0
#include "train/run/model_attributes.h"

#include "train/run/provenance.h"

namespace precipice {

Attributes weights_attributes(const RunConfig& config, std::int64_t step) {
  const ModelConfig& model = config.model;
  const Architecture& kind = *model.kind;
  Attributes attributes{{"kind", kind.name},
                        {"layers", model.layers},
                        {"width", model.width},
                        {"heads", model.heads},
                        {"kv_heads", model.key_heads()},
                        {"head_size", model.head_size()},
                        {"hidden", model.mlp_width()},
                        {"vocabulary", config.data.vocabulary},
                        {"context", model.context},
                        {"positions", spelling_of(kind.positions, kPositions)},
                        {"norm", spelling_of(kind.norm, kNormKinds)},
                        {"norm_eps", model.norm_eps},
                        {"qk_norm", model.qk_norm ? spelling_of(*model.qk_norm, kNormKinds) : "none"},
                        {"activation", kind.activation},
                        {"bias", std::int64_t{model.bias}},
                        {"tied_head", std::int64_t{model.is_tied()}},
                        {"softcap", model.softcap}};
  if (model.norm_placement != NormPlacement::Pre)
    attributes.emplace_back("norm_placement", spelling_of(model.norm_placement, kNormPlacements));
  if (kind.has_rotary_positions()) attributes.emplace_back("rope_theta", model.rope_theta);
  attributes.emplace_back("run", run_id(config));
  attributes.emplace_back("step", step);
  attributes.emplace_back("recipe", config.precision.recipe);
  attributes.emplace_back("program_version", program_version());
  return attributes;
}

}  // namespace precipice
