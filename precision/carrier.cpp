// SPDX-License-Identifier: Apache-2.0
#include "precision/carrier.h"

#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>

#include "precision/check.h"
#include "precision/exact_value.h"
#include "precision/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<Carrier, 3> kCarriers = {
    {{"auto", Carrier::Auto}, {"fp32", Carrier::Fp32}, {"bf16", Carrier::Bf16}}};
constexpr double kSmallestNormal = 0x1p-126;
constexpr double kSmallestBf16 = 0x1p-133;
constexpr double kLargestBf16 = 0x1.FEp127;

// What a primitive is made for. The scale and the bias are arguments of each call.
struct Shape {
  std::vector<std::int64_t> words;  // sizes and strides, type, whether scaled, whether with bias
  bool operator==(const Shape&) const = default;
};

struct ShapeHash {
  std::size_t operator()(const Shape& shape) const {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a over words
    for (const std::int64_t word : shape.words) hash = (hash ^ static_cast<std::uint64_t>(word)) * 1099511628211u;
    return static_cast<std::size_t>(hash);
  }
};

struct Product {
  dnnl::matmul primitive;
  dnnl::memory a, b, y, scale, bias;
  std::unordered_map<int, dnnl::memory> arguments;
  float factor = 1.0f;  // what `scale` points at
};

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory without_data(const dnnl::memory::desc& desc) {
  return {desc, cpu(), nullptr};
}

dnnl::matmul make_matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b, const dnnl::memory::desc& y,
                         const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul(dnnl::matmul::primitive_desc(cpu(), a, b, y, attributes));
#else
  return dnnl::matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, y), attributes, cpu()));
#endif
}

// b as the matrix (K, N) that oneDNN multiplies by.
std::vector<std::int64_t> turned(std::vector<std::int64_t> words) {
  std::swap(words[words.size() - 1], words[words.size() - 2]);
  return words;
}

bool has_isa(dnnl::cpu_isa isa) {
  const int needed = static_cast<int>(isa);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

std::unique_ptr<Product> make_product(const CarrierProduct& call) {
  using dnnl::memory;
  PRECIPICE_CHECK(!call.bf16 || can_multiply_bf16(), "this CPU has no products of bf16 operands");
  const std::size_t dims = call.a_sizes.size();
  std::vector<std::int64_t> y_sizes = call.a_sizes, ones(dims, 1), bias_sizes(dims, 1);
  y_sizes[dims - 1] = bias_sizes[dims - 1] = call.b_sizes[dims - 2];
  const memory::data_type type = call.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::desc a(call.a_sizes, type, call.a_strides), b(turned(call.b_sizes), type, turned(call.b_strides)),
      y(y_sizes, memory::data_type::f32, call.y_strides), scale(ones, memory::data_type::f32, ones),
      bias(bias_sizes, memory::data_type::f32, ones);
  dnnl::post_ops after;
  if (call.scale != 1.0f) after.append_binary(dnnl::algorithm::binary_mul, scale);
  if (call.bias != nullptr) after.append_binary(dnnl::algorithm::binary_add, bias);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);

  auto product = std::make_unique<Product>();
  product->primitive = make_matmul(a, b, y, attributes);
  product->a = without_data(a), product->b = without_data(b), product->y = without_data(y);
  product->arguments = {{DNNL_ARG_SRC, product->a}, {DNNL_ARG_WEIGHTS, product->b}, {DNNL_ARG_DST, product->y}};
  int next = 0;
  const auto post_argument = [&](memory& argument, const memory::desc& desc) {
    argument = without_data(desc);
    product->arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(next++) | DNNL_ARG_SRC_1, argument);
  };
  if (call.scale != 1.0f) {
    post_argument(product->scale, scale);
    product->scale.set_data_handle(&product->factor);
  }
  if (call.bias != nullptr) post_argument(product->bias, bias);
  return product;
}

// The primitive of a call's shape, made once per thread: its arguments are set anew by each call.
Product& product_for(const CarrierProduct& call) {
  thread_local std::unordered_map<Shape, std::unique_ptr<Product>, ShapeHash> made;
  thread_local Shape shape;
  shape.words.clear();
  for (const auto* words : {&call.a_sizes, &call.a_strides, &call.b_sizes, &call.b_strides, &call.y_strides})
    shape.words.insert(shape.words.end(), words->begin(), words->end());
  shape.words.push_back((call.bf16 ? 1 : 0) + (call.scale != 1.0f ? 2 : 0) + (call.bias != nullptr ? 4 : 0));
  std::unique_ptr<Product>& product = made[shape];
  if (!product) product = make_product(call);
  return *product;
}

}  // namespace

Carrier parse_carrier(std::string_view text) {
  return parse_spelling("carrier", text, kCarriers);
}

std::string to_string(Carrier carrier) {
  return spelling_of(carrier, kCarriers);
}

double quantum_of(const FloatFormat& format) {
  return exact_value(1, format.emin() - format.mantissa_bits);
}

bool fits_bf16(const FloatFormat& format) {
  const int significant = format.mantissa_bits + (format.is_fixed_point() ? 0 : 1);
  return significant <= 8 && quantum_of(format) >= kSmallestBf16 && format.max_finite() <= kLargestBf16;
}

bool products_fit_bf16(double quantum, double other_quantum) {
  return quantum >= kSmallestNormal && other_quantum >= kSmallestNormal && quantum * other_quantum >= kSmallestNormal;
}

bool has_bf16_instructions() {
  static const bool has = has_isa(dnnl::cpu_isa::avx512_core_bf16);
  return has;
}

bool has_avx512_matmuls() {
  static const bool has = has_isa(dnnl::cpu_isa::avx512_core);
  return has;
}

OneThread::OneThread() : before_(omp_get_max_threads()) {
  omp_set_num_threads(1);
}

OneThread::~OneThread() {
  omp_set_num_threads(before_);
}

void multiply(const CarrierProduct& call) {
  Product& product = product_for(call);
  // oneDNN's handles are not const; it only reads the operands.
  product.a.set_data_handle(const_cast<void*>(call.a));
  product.b.set_data_handle(const_cast<void*>(call.b));
  product.y.set_data_handle(call.y);
  if (call.bias != nullptr) product.bias.set_data_handle(const_cast<float*>(call.bias));
  product.factor = call.scale;
  thread_local dnnl::stream stream(cpu());
  product.primitive.execute(stream, product.arguments);
}

}  // namespace precipice
