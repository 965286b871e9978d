// SPDX-License-Identifier: Apache-2.0
// The GPT of nanoGPT: learned positions, pre-LayerNorm blocks, causal attention, GELU MLP of four times the width, tied
// or untied head; every matmul goes through quantized_matmul. Residual stream, LayerNorm, softmax, GELU and loss in
// fp32. Radford et al. 2019; parameter names, shapes and initialisation as nanoGPT's model.py. Shapes: B batch, T
// context, C width, H heads, D = C / H, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "precision/quantized_matmul.h"
#include "train/checkpoint.h"
#include "train/run_config.h"

namespace precipice {

struct NamedParameter {
  std::string name;  // nanoGPT's state_dict name, "transformer.h.0.attn.c_attn.weight"
  at::Tensor value;  // fp32 leaf
  double init_std;   // of the initial values; 0: constant (LayerNorm gains 1, biases 0)
  double init_value;
};

// What a forward pass needs to know besides its input.
struct ForwardContext {
  std::uint64_t rounding_seed = 0;
  std::uint32_t step = 0;
  bool evaluation = false;
  QuantizationObserver* observer = nullptr;
};

class Gpt {
 public:
  Gpt(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionPolicy policy);

  // tokens (B, T) int64, T <= context  ->  logits (B * T, V)
  at::Tensor forward(const at::Tensor& tokens, const ForwardContext& context) const;

  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  std::int64_t num_parameters() const;
  const PrecisionPolicy& policy() const { return policy_; }

  // Initial values, a pure function of (init.seed, parameter, element).
  void initialise(const InitConfig& init);
  // Values by name; every parameter must be there with its shape (DataError). A tied head may be present and must then
  // equal the embedding. Errors begin with `name`, the place that the weights come from.
  void load(const std::vector<NamedArray>& weights, const std::string& name = "weights");
  // Under nanoGPT's names; with a tied head both names, as its state_dict has.
  std::vector<NamedArray> weights() const;

 private:
  struct Linear {
    at::Tensor weight, bias;
  };
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Block {
    Norm norm1, norm2;
    Linear qkv, proj, up, down;
  };

  at::Tensor add_parameter(const std::string& name, std::vector<std::int64_t> shape, double init_std,
                           double init_value);
  Norm add_norm(const std::string& name);
  Linear add_linear(const std::string& name, std::int64_t in, std::int64_t out, double init_std);
  MatmulSite site(SiteKind kind, std::int64_t layer, const ForwardContext& context) const;
  at::Tensor norm(const at::Tensor& x, const Norm& norm) const;
  at::Tensor attention(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const;
  at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const;

  ModelConfig config_;
  std::int64_t vocabulary_;
  PrecisionPolicy policy_;
  std::vector<NamedParameter> parameters_;
  at::Tensor token_embedding_, position_embedding_;  // (V, C), (context, C)
  std::vector<Block> blocks_;
  Norm final_norm_;
  at::Tensor head_;  // (V, C)
};

// Number of parameters of a config, without making a model.
std::int64_t count_parameters(const ModelConfig& config, std::int64_t vocabulary);

// Mean cross-entropy in nats. logits (N, V), targets (N) int64.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace precipice
