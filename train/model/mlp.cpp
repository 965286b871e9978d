// SPDX-License-Identifier: Apache-2.0
// The student of arXiv 2506.20752, section 4: a residual MLP from vectors to vectors of the same width C,
//   a_0 = x,   a_k = a_(k-1) + W_k2 gelu(W_k1 LN(a_(k-1))),   y = a_L
// without a norm at the end and without a head. Parameter names as in the paper's code (KempnerInstitute/systems-scaling,
// synthetic/student_teacher.py), which has biases in LN and fc2 alone where model.bias has them in all. The stream, the
// norms and the GELU are rounded as in the other models; the input is rounded to the stream's format.
#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>

#include <tuple>

#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "train/model/architectures.h"
#include "train/model/gelu.h"
#include "train/model/initial_std.h"

namespace precipice {
namespace {

class Mlp : public Model {
 public:
  Mlp(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule);
  std::pair<at::Tensor, at::Tensor> query_and_key_weights(std::int64_t) const override { refuse_attention(); }

 private:
  struct Block {
    Linear up, down;
  };

  [[noreturn]] static void refuse_attention() { PRECIPICE_CHECK(false, "an MLP has no attention"); }
  at::Tensor attend(const at::Tensor&, std::int64_t, const ForwardContext&) const override { refuse_attention(); }
  at::Tensor mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const override;
  at::Tensor outputs(const at::Tensor& inputs, const ForwardContext& context) const override;

  std::vector<Block> blocks_;
};

Mlp::Mlp(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary, PrecisionSchedule schedule)
    : Model(config, vocabulary, std::move(schedule)) {
  const InitialStd std = initial_std(config, init);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    Block block;
    add_stream_norm(prefix + "ln");
    block.up = add_linear(prefix, "fc1", std.weight);
    block.down = add_linear(prefix, "fc2", std.residual);
    blocks_.push_back(block);
  }
  initialise(init);
}

at::Tensor Mlp::mlp(const at::Tensor& x, std::int64_t layer, const ForwardContext& context) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  const at::Tensor up = linear(x, block.up, SiteKind::MlpUp, layer, context);
  const at::Tensor hidden = context.plain ? at::gelu(up) : gelu(up, elements().vector);
  return linear(hidden, block.down, SiteKind::MlpDown, layer, context);
}

// (B, 1, C)  ->  (B, C)
at::Tensor Mlp::outputs(const at::Tensor& inputs, const ForwardContext& context) const {
  at::Tensor stream = context.plain ? inputs : rounded(inputs, elements().residual);
  at::Tensor normed = norm(stream, stream_norm(0), context);
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const at::Tensor y = mlp(normed, layer, context);
    const bool is_last = layer + 1 == config_.layers;
    if (context.plain || is_last) {
      stream = stream + y;
      if (!context.plain) stream = round_tensor(stream, elements().residual);
      if (!is_last) normed = norm(stream, stream_norm(layer + 1), context);
    } else {
      std::tie(stream, normed) = add_and_normalise(stream, y, stream_norm(layer + 1), config_.norm_eps, elements());
    }
  }
  return stream.view({-1, config_.width});
}

}  // namespace

std::unique_ptr<Model> make_mlp(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                PrecisionSchedule schedule) {
  return std::make_unique<Mlp>(config, init, vocabulary, std::move(schedule));
}

}  // namespace precipice
