// SPDX-License-Identifier: Apache-2.0
// What every model is to the rest: named parameters with their initial values, a forward pass whose matmuls all go
// through quantized_matmul, a precision policy, and weights that come and go under the names of the architecture's
// reference code. gpt.cpp, llama.cpp and mlp.cpp are the models, architectures.h makes them by name. Shapes: B batch, T context,
// C width, H heads, G key and value heads, D = C / H, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "precision/autograd/quantized_matmul.h"
#include "precision/policy/element_precision.h"
#include "train/attention/attention.h"
#include "train/attention/rope.h"
#include "train/config/plants.h"
#include "train/config/run_config.h"
#include "train/model/loss.h"
#include "train/model/named_array.h"
#include "train/model/norm.h"

namespace precipice {

struct NamedParameter {
  std::string name;  // in the reference's state_dict, "transformer.h.0.attn.c_attn.weight"
  at::Tensor value;  // fp32 leaf
  double init_std;   // of the initial values; 0: constant (gains 1, biases 0)
  double init_value;
};

// What a forward pass needs to know besides its input.
struct ForwardContext {
  std::uint64_t rounding_seed = 0;
  std::uint32_t step = 0;
  bool evaluation = false;
  QuantizationObserver* observer = nullptr;
  ScaleStates* scales = nullptr;  // of delayed scaling
  AttentionObserver* attention = nullptr;
  ProductObserver* products = nullptr;
  StepLedger* ledger = nullptr;            // of a training step on a device
  const std::uint32_t* step_at = nullptr;  // where the device has `step`, for RandomKey
  bool bf16_logits = false;                // nobody but the loss reads them: they may be bf16 numbers
  bool plain = false;  // by the operations of plain_operations.h, which autograd can differentiate twice
};

class Model {
 public:
  virtual ~Model() = default;

  // tokens (B, T) int64, T <= context  ->  logits (B * T, V); of vectors (B, 1, C)  ->  (B, C)
  at::Tensor forward(const at::Tensor& inputs, const ForwardContext& context) const;

  // Rows of W^Q (H * D, C) and W^K (G * D, C), one head's after the other's. Of a model with attention.
  virtual std::pair<at::Tensor, at::Tensor> query_and_key_weights(std::int64_t layer) const = 0;

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  std::int64_t num_parameters() const;
  std::int64_t vocabulary() const { return vocabulary_; }
  // Where the parameters lie: host memory, until to() has moved them, and the constants of the forward pass with them.
  at::Device device() const { return parameters_.front().value.device(); }
  void to(at::Device device);
  // At the first step: names of sites and what does not change with steps.
  const PrecisionPolicy& policy() const { return schedule_.at_step(0); }
  const PrecisionPolicy& policy_at(std::int64_t step) const { return schedule_.at_step(step); }
  const PrecisionSchedule& schedule() const { return schedule_; }

  // Initial values, a pure function of (init.seed, parameter, element).
  void initialise(const InitConfig& init);
  // Changes the values that there are (plant.cpp).
  void plant(const Plants& plants);
  // What writes or reads values finds them on the host, before to().
  // Values by name; every parameter must be there with its shape (DataError). A tied head may be present and must then
  // equal the embedding. Errors begin with `name`, the place that the weights come from.
  void load(const std::vector<NamedArray>& weights, const std::string& name = "weights");
  // Under the reference's names; with a tied head both names, as its state_dict has.
  std::vector<NamedArray> weights() const;

 protected:
  struct Linear {
    at::Tensor weight, bias;
  };

  Model(const ModelConfig& config, std::int64_t vocabulary, PrecisionSchedule schedule);

  at::Tensor add_parameter(const std::string& name, std::vector<std::int64_t> shape, double init_std,
                           double init_value);
  // A constant of the forward pass that operations read beside the parameters.
  void add_constant(const at::Tensor& constant) { constants_.push_back(constant); }
  // A norm of the residual stream, of the architecture's kind: of each block's attention, of its MLP, where
  // model.norm_placement has them; and one before the head, which is none where the blocks end with a norm.
  void add_stream_norm(const std::string& name);
  void add_final_norm(const std::string& name);
  // The norm of queries or keys that model.qk_norm asks for; without weights: none.
  Norm add_qk_norm(const std::string& name);
  // A linear of a block, "attn.c_attn" behind the prefix "transformer.h.0.", with the shape that the architecture's
  // table says.
  Linear add_linear(const std::string& prefix, const char* name, double init_std);
  // The embedding comes first, the head last; a tied head is the embedding.
  void add_embedding(const std::string& name, double init_std);
  void add_head(double init_std);

  MatmulSite site(SiteKind kind, std::int64_t layer, const ForwardContext& context) const;
  at::Tensor linear(const at::Tensor& x, const Linear& linear, SiteKind kind, std::int64_t layer,
                    const ForwardContext& context) const;
  // Several weights side by side as one product: x (B, T, C)  ->  (B, T, sum of their outputs). No biases.
  at::Tensor joined_linear(const at::Tensor& x, const std::vector<at::Tensor>& weights, SiteKind kind,
                           std::int64_t layer, const ForwardContext& context) const;
  // What a block adds to the stream, from the stream, normalised where norms come before (B, T, C).
  virtual at::Tensor attend(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const = 0;
  virtual at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const = 0;
  at::Tensor norm(const at::Tensor& x, const Norm& norm, const ForwardContext& context) const;
  // Attention over qkv (B, T, (H + 2 G) D), with rotary positions where a table is given, in the sites of `layer`.
  struct AttentionParts {
    const Norm &q_norm, &k_norm;
    const RopeTable* rope = nullptr;
  };
  at::Tensor attention(const at::Tensor& qkv, const AttentionParts& parts, std::int64_t layer,
                       const ForwardContext& context) const;

  const ElementPrecision& elements() const { return policy().elements(); }

  ModelConfig config_;
  std::int64_t vocabulary_;
  at::Tensor token_embedding_, head_;  // (V, C)
  at::Tensor position_embedding_;      // (context, C), or undefined

  // The pass itself: of tokens embedding, blocks and head.
  virtual at::Tensor outputs(const at::Tensor& inputs, const ForwardContext& context) const;
  const Norm& stream_norm(std::int64_t place) const { return stream_norms_.at(static_cast<std::size_t>(place)); }

 private:
  // From the embedded tokens to what the head reads, (B, T, C).
  at::Tensor pre_norm_blocks(at::Tensor stream, const ForwardContext& context) const;
  at::Tensor other_blocks(at::Tensor stream, const ForwardContext& context) const;
  at::Tensor logits(const at::Tensor& x, const ForwardContext& context) const;
  // The amaxes of weights that are quantized by them, for all their products of a pass on a device.
  void note_weights(const ForwardContext& context) const;
  // The weights of a block's site, in the order of the architecture's table, without autograd.
  std::vector<at::Tensor> block_weights(SiteKind kind, std::int64_t layer) const;
  void plant_sink(const Plants::Sink& sink);

  PrecisionSchedule schedule_;
  std::vector<NamedParameter> parameters_;
  std::vector<at::Tensor> constants_;
  std::vector<Norm> stream_norms_;  // in the order of their use
};

}  // namespace precipice
