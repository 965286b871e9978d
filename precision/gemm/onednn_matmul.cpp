// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/onednn_matmul.h"

#include <map>
#include <mutex>
#include <utility>

#include "precision/base/check.h"
#include "precision/gemm/onednn.h"
#include "precision/kernels/row_kernels.h"

namespace precipice {
namespace {

using dnnl::memory;
using Numbers = std::vector<std::int64_t>;

// Elements of a result from which on threads share its last pass.
constexpr std::int64_t kSharedPass = 1 << 16;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory without_data(const memory::desc& desc) {
  return {desc, cpu(), nullptr};
}

Numbers numbers_of(const Dims& dims) {
  return {dims.begin(), dims.end()};
}

// b as the matrix (K, N) that oneDNN multiplies by.
Numbers transposed(Dims dims) {
  std::swap(dims.from_end(1), dims.from_end(2));
  return numbers_of(dims);
}

struct Descriptors {
  memory::desc a, b, y, scale, bias;
};

Descriptors descriptors_of(const CarrierProduct& call) {
  const std::size_t dims = call.a_sizes.size();
  Numbers y_sizes = numbers_of(call.a_sizes), bias_sizes(dims, 1);
  const Numbers ones(dims, 1);
  y_sizes[dims - 1] = bias_sizes[dims - 1] = call.b_sizes[dims - 2];
  const memory::data_type type = call.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  return {{numbers_of(call.a_sizes), type, numbers_of(call.a_strides)},
          {transposed(call.b_sizes), type, transposed(call.b_strides)},
          {y_sizes, memory::data_type::f32, numbers_of(call.y_strides)},
          {ones, memory::data_type::f32, ones},
          {bias_sizes, memory::data_type::f32, ones}};
}

bool has_scale(const CarrierProduct& call) {
  return call.scale != 1.0f;
}
bool has_bias(const CarrierProduct& call) {
  return call.bias != nullptr;
}

dnnl::matmul::primitive_desc describe(const Descriptors& of, const dnnl::post_ops& after) {
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
#if DNNL_VERSION_MAJOR >= 3
  return {cpu(), of.a, of.b, of.y, attributes};
#else
  return {dnnl::matmul::desc(of.a, of.b, of.y), attributes, cpu()};
#endif
}

struct Choice {
  dnnl::matmul::primitive_desc description;
  bool finishes;  // scale and bias are applied inside
};

Choice choose(const CarrierProduct& call, const Descriptors& of) {
  PRECIPICE_CHECK(!call.bf16 || can_multiply_bf16(), "this CPU has no products of bf16 operands");
  dnnl::post_ops after;
  if (has_scale(call)) after.append_binary(dnnl::algorithm::binary_mul, of.scale);
  if (has_bias(call)) after.append_binary(dnnl::algorithm::binary_add, of.bias);
  Choice choice{describe(of, after), true};
  if (after.len() > 0 && is_reference(choice.description.impl_info_str())) choice = {describe(of, {}), false};
#if defined(__x86_64__)
  const std::string name = choice.description.impl_info_str();
  PRECIPICE_CHECK(!is_reference(name), "oneDNN ", onednn_version(), " on ", onednn_isa(), " has but its reference (",
                  name, ") for a product of ", call.a_sizes.from_end(2), " x ", call.a_sizes.from_end(1), " and ",
                  call.b_sizes.from_end(2), " x ", call.b_sizes.from_end(1));
#endif
  return choice;
}

struct Made {
  std::mutex mutex;
  std::map<std::string, std::int64_t> implementations;
};
Made& made() {
  static Made of_process;
  return of_process;
}

// y = scale y + bias, row by row of all matrices.
void finish(const CarrierProduct& call) {
  const std::size_t d = call.a_sizes.size() - 1;
  const std::int64_t n = call.b_sizes[d - 1];
  const std::int64_t rows = count_in(call.a_sizes, d);
  const RowKernels& kernels = row_kernels();
#pragma omp parallel for schedule(static) if (rows * n >= kSharedPass)
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t offset = offset_in(row, call.a_sizes, call.y_strides, d);
    if (has_bias(call))
      kernels.scale_and_add_row(call.y + offset, n, call.scale, call.bias);
    else
      kernels.scale_row(call.y + offset, n, call.scale);
  }
}

}  // namespace

OneDnnMatmul::OneDnnMatmul(const CarrierProduct& call) {
  const Descriptors of = descriptors_of(call);
  const Choice choice = choose(call, of);
  {
    const std::scoped_lock lock(made().mutex);
    ++made().implementations[choice.description.impl_info_str()];
  }
  primitive_ = dnnl::matmul(choice.description);
  finishes_ = choice.finishes;
  a_ = without_data(of.a), b_ = without_data(of.b), y_ = without_data(of.y);
  arguments_ = {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, y_}};
  if (!finishes_) return;
  int next = 0;
  const auto post_argument = [&](memory& argument, const memory::desc& desc) {
    argument = without_data(desc);
    arguments_.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(next++) | DNNL_ARG_SRC_1, argument);
  };
  if (has_scale(call)) {
    post_argument(scale_, of.scale);
    scale_.set_data_handle(&factor_);
  }
  if (has_bias(call)) post_argument(bias_, of.bias);
}

void OneDnnMatmul::multiply(const CarrierProduct& call) {
  // oneDNN's handles are not const; it only reads the operands.
  a_.set_data_handle(const_cast<void*>(call.a));
  b_.set_data_handle(const_cast<void*>(call.b));
  y_.set_data_handle(call.y);
  if (finishes_ && has_bias(call)) bias_.set_data_handle(const_cast<float*>(call.bias));
  factor_ = call.scale;
  thread_local dnnl::stream stream(cpu());
  primitive_.execute(stream, arguments_);
  if (!finishes_) finish(call);
}

std::string matmul_implementation(const CarrierProduct& call) {
  return choose(call, descriptors_of(call)).description.impl_info_str();
}

std::vector<std::string> matmul_implementations() {
  const std::scoped_lock lock(made().mutex);
  std::vector<std::string> names;
  for (const auto& [name, count] : made().implementations) names.push_back(name);
  return names;
}

}  // namespace precipice
