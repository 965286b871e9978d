// SPDX-License-Identifier: Apache-2.0
// Which of oneDNN's implementations products get, by the names that it gives them, on this machine and on every
// instruction set that it can be held to: a process each, as the variable is read once. Results against sums of whole
// numbers, which are exact.
#include "precision/gemm/onednn.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <tuple>

#include "precision/gemm/batch_carrier.h"
#include "precision/gemm/gemm.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;

namespace {

using Numbers = std::vector<std::int64_t>;

// What multiply() is called with, from y = scale (a b^T) + bias of these sizes. Padded: rows of y, and lines of the
// operands, are parts of longer ones.
struct Combination {
  bool bf16, a_along_rows, b_along_rows, padded, scaled, biased;
  std::int64_t matrices, m, n, k;  // matrices 0: two-dimensional
};

Numbers strides_of(bool along_rows, std::int64_t rows, std::int64_t cols, std::int64_t pad, std::int64_t matrices) {
  Numbers strides = along_rows ? Numbers{1, rows + pad} : Numbers{cols + pad, 1};
  if (matrices > 0) strides.insert(strides.begin(), along_rows ? cols * (rows + pad) : rows * (cols + pad));
  return strides;
}

CarrierProduct call_of(const Combination& of) {
  static const float bias = 0;
  const auto sizes = [&](std::int64_t rows, std::int64_t cols) {
    return of.matrices > 0 ? Numbers{of.matrices, rows, cols} : Numbers{rows, cols};
  };
  const std::int64_t pad = of.padded ? 24 : 0;
  CarrierProduct call;
  call.bf16 = of.bf16;
  call.a_sizes = sizes(of.m, of.k), call.a_strides = strides_of(of.a_along_rows, of.m, of.k, pad, of.matrices);
  call.b_sizes = sizes(of.n, of.k), call.b_strides = strides_of(of.b_along_rows, of.n, of.k, pad, of.matrices);
  call.y_strides = strides_of(false, of.m, of.n, pad, of.matrices);
  call.scale = of.scaled ? 0.5f : 1.0f;
  call.bias = of.biased ? &bias : nullptr;
  return call;
}

std::string words_of(const Combination& of) {
  return fmt::format("{} {} x {} x {}, {} matrices{}{}{}{}{}", of.bf16 ? "bf16" : "fp32", of.m, of.n, of.k, of.matrices,
                     of.a_along_rows ? ", a along rows" : "", of.b_along_rows ? ", b along rows" : "",
                     of.padded ? ", padded" : "", of.scaled ? ", scaled" : "", of.biased ? ", with bias" : "");
}

// Sizes around the machine's vectors and parts; 1 is a stride that means nothing.
constexpr std::int64_t kRows[] = {1, 2, 31, 128, 129, 4096};
constexpr std::int64_t kColumns[] = {1, 2, 257};
constexpr std::int64_t kDepths[] = {1, 64};

template <class Body>
void for_combinations(const Body& body) {
  for (int flags = 0; flags < 64; ++flags) {
    Combination of{};
    of.bf16 = flags & 1, of.a_along_rows = flags & 2, of.b_along_rows = flags & 4, of.padded = flags & 8;
    of.scaled = flags & 16, of.biased = flags & 32;
    if (of.bf16 && !can_multiply_bf16()) continue;
    for (const std::int64_t matrices : {0, 3})
      for (const std::int64_t m : kRows)
        for (const std::int64_t n : kColumns)
          for (const std::int64_t k : kDepths) {
            of.matrices = matrices, of.m = m, of.n = n, of.k = k;
            body(of);
          }
  }
}

at::Tensor whole_numbers(Numbers shape, std::uint64_t seed) {
  return random_tensor(std::move(shape), seed, 4.0f).round();
}

// The same numbers, of which those along the axis before the last lie side by side.
at::Tensor turned(const at::Tensor& x) {
  return x.transpose(-2, -1).contiguous().transpose(-2, -1);
}

Quantized plain_operand(const at::Tensor& x, bool as_bf16) {
  Quantized q;
  q.values = as_bf16 ? x.to(at::kBFloat16) : x;
  q.quantum = 1.0f;
  return q;
}

// The product, whole in double.
at::Tensor exact(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.to(at::kDouble), b.to(at::kDouble).transpose(-2, -1));
}

bool equal(const at::Tensor& y, const at::Tensor& wanted) {
  return y.to(at::kDouble).eq(wanted).all().item<bool>();
}

void check_sums(bool as_bf16, std::int64_t m, std::int64_t n, std::int64_t k) {
  CAPTURE(as_bf16, m, n, k);
  const at::Tensor a = whole_numbers({m, k}, 1), b = whole_numbers({n, k}, 2), bias = whole_numbers({n}, 3);
  const at::Tensor product = exact(a, b);
  for (const bool turns : {false, true}) {
    Quantized x = plain_operand(turns ? turned(a) : a, as_bf16), w = plain_operand(turns ? b : turned(b), as_bf16);
    CHECK(equal(gemm(x, w, {}, {}, {}), product));
    x.scale = 0.5f;
    CHECK(equal(gemm(x, w, bias, {}, {}), product.mul(0.5).add(bias)));
    // A part of longer rows.
    const at::Tensor y = at::zeros({m, n + 5}).narrow(1, 2, n);
    CHECK(equal(gemm(x, w, bias, {}, {}, y), product.mul(0.5).add(bias)));
    CHECK(equal(gemm(x, w, {}, {}, {}, y), product.mul(0.5)));
  }
}

// Causal::No is the whole product, the others leave zeros out.
void check_causal_sums(bool as_bf16, const Numbers& batch, std::int64_t length, std::int64_t other) {
  const auto shape = [&](std::int64_t rows, std::int64_t cols) {
    Numbers sizes = batch;
    sizes.insert(sizes.end(), {rows, cols});
    return sizes;
  };
  const at::Tensor square = whole_numbers(shape(length, length), 1), wide = whole_numbers(shape(other, length), 2);
  CAPTURE(as_bf16, batch.size(), length, other);
  for (const bool past : {false, true}) {
    const at::Tensor zeroed = past ? square.tril() : square.triu();
    for (const at::Tensor& narrow : {wide, turned(wide)}) {
      const Quantized x = plain_operand(zeroed, as_bf16), w = plain_operand(narrow, as_bf16);
      CHECK(equal(gemm(x, w, {}, {}, {}, {}, past ? Causal::FirstPast : Causal::FirstAhead), exact(zeroed, wide)));
      CHECK(equal(gemm(w, x, {}, {}, {}, {}, past ? Causal::SecondPast : Causal::SecondAhead), exact(wide, zeroed)));
    }
  }
  const at::Tensor rows = whole_numbers(shape(length, other), 3);
  const at::Tensor y =
      gemm(plain_operand(square, as_bf16), plain_operand(square, as_bf16), {}, {}, {}, {}, Causal::Result);
  CHECK(equal(y.tril(), exact(square, square).tril()));
  CHECK(equal(gemm(plain_operand(rows, as_bf16), plain_operand(rows, as_bf16), {}, {}, {}), exact(rows, rows)));
}

struct Child {
  int exit_code;
  std::string output;
};

// The hidden cases, that below and that of product_alignment_test.cpp, in a process of their own.
Child walk_on(const std::string& level) {
  TemporaryDirectory dir;
  const std::string output = (dir.path() / "out").string();
  const pid_t pid = fork();
  if (pid == 0) {
    const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    if (!level.empty()) setenv("DNNL_MAX_CPU_ISA", level.c_str(), 1);
    setenv("OMP_WAIT_POLICY", "passive", 0);
    execl("/proc/self/exe", "precision_tests", "[walk]", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  std::ifstream file(output);
  std::ostringstream text;
  text << file.rdbuf();
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text.str()};
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

// Run by the case after it, once for each level; by itself it looks at the machine's own.
TEST_CASE("every product on this instruction set has an implementation that is no reference, and the exact sum",
          "[.walk]") {
  std::set<std::string> names;
  std::string first;
  std::int64_t count = 0, references = 0;
  for_combinations([&](const Combination& of) {
    const std::string name = matmul_implementation(call_of(of));
    ++count;
    if (!is_reference(name)) return void(names.insert(name));
    if (references++ == 0) first = words_of(of) + ": " + name;
  });
  INFO(first);
  CHECK(references == 0);
  CHECK(count >= 2000);
  for (const bool as_bf16 : {false, true}) {
    if (as_bf16 && !can_multiply_bf16()) continue;
    for (const auto& [m, n, k] : std::vector<std::tuple<int, int, int>>{
             {1, 1, 1}, {1, 33, 40}, {2, 1, 7}, {20, 300, 40}, {128, 256, 64}, {129, 257, 64}, {300, 20, 33}})
      check_sums(as_bf16, m, n, k);
    for (const std::int64_t length : {1, 33, 300}) {
      check_causal_sums(as_bf16, {}, length, 24);
      check_causal_sums(as_bf16, {2, 3}, length, 17);
    }
  }
  const std::vector<std::string> made = matmul_implementations();
  CHECK_FALSE(made.empty());
  for (const std::string& name : made) CHECK_FALSE(is_reference(name));
  std::string all;
  for (const std::string& name : names) all += " " + name;
  WARN(fmt::format("isa={} combinations={} implementations:{}", onednn_isa(), count, all));
}

TEST_CASE("no product is ever a reference implementation's, on any instruction set that oneDNN can be held to") {
  std::string own = onednn_isa();
  std::set<std::string> seen;
  for (const std::string level : {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI",
                                  "AVX512_CORE_BF16", "AVX512_CORE_AMX", ""}) {
    const Child child = walk_on(level);
    INFO(level << ":\n" << child.output);
    REQUIRE(child.exit_code == 0);
    std::smatch found;
    REQUIRE(std::regex_search(child.output, found, std::regex("isa=(\\w+) combinations=(\\d+)")));
    seen.insert(found[1]);
    // A level that the machine has is the one in use.
    if (level == "SSE41" || lower(level) == own) CHECK(std::string(found[1]) == (level.empty() ? own : lower(level)));
  }
  CHECK(seen.count(own) == 1);
  CHECK(seen.count("sse41") == 1);
}

TEST_CASE("the library that multiplies says its version and the instruction set that it uses") {
  CHECK(std::regex_match(onednn_version(), std::regex("\\d+\\.\\d+\\.\\d+")));
  CHECK(has_avx512_matmuls() == (onednn_isa().rfind("avx512", 0) == 0));
  CHECK(is_reference("ref:any"));
  CHECK_FALSE(is_reference("brg:avx512_core"));
  CHECK_FALSE(is_reference("gemm:jit"));
}
