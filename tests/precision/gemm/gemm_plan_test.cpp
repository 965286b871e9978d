// SPDX-License-Identifier: Apache-2.0
// Tables: facts of operands and places in, what the documents say of them out. Nothing is multiplied.
#include "precision/gemm/gemm_plan.h"

#include "tests/precision/gemm/matmul_cpus.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr double kFine = 0x1p-100;  // two of these multiply to less than fp32's smallest normal number

constexpr OperandKind operand(bool bf16, ScaleLayout scales = ScaleLayout::None, double quantum = 1.0) {
  return {bf16, quantum, scales};
}

GemmFacts facts_of(const OperandKind& a, const OperandKind& b) {
  GemmFacts facts;
  facts.a = a, facts.b = b;
  return facts;
}

}  // namespace

TEST_CASE("operands are dequantized where scales act on them, and else folded where scales change along K") {
  using enum ScaleLayout;
  struct Case {
    ScaleLayout a, b;
    ScalesAct scales;
    bool emulated;
    Preparation wanted;
  };
  const Case cases[] = {{None, None, ScalesAct::Sums, false, Preparation::None},
                        {None, None, ScalesAct::Operands, false, Preparation::None},
                        {Tensor, None, ScalesAct::Sums, false, Preparation::None},
                        {Tensor, None, ScalesAct::Operands, false, Preparation::Dequantized},
                        {None, Rows, ScalesAct::Operands, false, Preparation::Dequantized},
                        {None, BlocksOfK, ScalesAct::Operands, true, Preparation::Dequantized},
                        {Rows, Rows, ScalesAct::Sums, false, Preparation::None},
                        {BlocksOfK, Rows, ScalesAct::Sums, false, Preparation::Folded},
                        {None, BlocksOfK, ScalesAct::Sums, false, Preparation::Folded},
                        {BlocksOfK, BlocksOfK, ScalesAct::Sums, true, Preparation::None}};
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.a), static_cast<int>(c.b), static_cast<int>(c.scales), c.emulated);
    CHECK(choose_preparation(operand(true, c.a), operand(true, c.b), c.scales, c.emulated) == c.wanted);
    CHECK(choose_preparation(operand(false, c.b), operand(false, c.a), c.scales, c.emulated) == c.wanted);
  }
}

TEST_CASE("the way of a product follows from its scales, and an emulated accumulator goes before them") {
  using enum ScaleLayout;
  struct Case {
    ScaleLayout a, b;
    bool emulated;
    Way wanted;
  };
  const Case cases[] = {{None, None, false, Way::OneProduct},        {Tensor, None, false, Way::OneProduct},
                        {Tensor, Tensor, false, Way::OneProduct},    {Tensor, Rows, false, Way::ScaledRows},
                        {Rows, Rows, false, Way::ScaledRows},        {Rows, BlocksOfK, false, Way::ScaledBlocks},
                        {None, BlocksOfK, false, Way::ScaledBlocks}, {None, None, true, Way::Emulated},
                        {Rows, BlocksOfK, true, Way::Emulated}};
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.a), static_cast<int>(c.b), c.emulated);
    for (const bool swapped : {false, true}) {
      GemmFacts facts = facts_of(operand(false, swapped ? c.b : c.a), operand(false, swapped ? c.a : c.b));
      facts.emulated = c.emulated;
      CHECK(choose_gemm(facts, kNewCpu).kind.way == c.wanted);
    }
  }
}

TEST_CASE("operands are multiplied as bf16 where both are, the CPU can and no product is subnormal in fp32") {
  struct Case {
    OperandKind a, b;
    bool emulated;
    MatmulCpu cpu;
    OperandType type;
    bool copies_to_fp32, may_need_fp32;
  };
  const auto rows = ScaleLayout::Rows;
  const Case cases[] = {
      {operand(true), operand(true), false, kNewCpu, OperandType::Bf16, false, false},
      {operand(true), operand(true), false, kAvx512, OperandType::Bf16, false, false},  // emulated by oneDNN
      {operand(true), operand(true), false, kAvx2, OperandType::Fp32, true, false},
      {operand(false), operand(false), false, kNewCpu, OperandType::Fp32, false, false},
      {operand(true), operand(false), false, kNewCpu, OperandType::Fp32, true, false},
      {operand(false), operand(true), false, kAvx2, OperandType::Fp32, true, false},
      {operand(true), operand(true), true, kNewCpu, OperandType::Fp32, true, false},
      {operand(false), operand(false), true, kNewCpu, OperandType::Fp32, false, false},
      // Too small for sure or perhaps: a product of whole operands looks at each matrix, parts of it do not.
      {operand(true, ScaleLayout::None, kFine), operand(true, ScaleLayout::Tensor, kFine), false, kNewCpu,
       OperandType::Bf16, false, true},
      {operand(true, rows, kFine), operand(true, rows, kFine), false, kNewCpu, OperandType::Fp32, true, false},
      {operand(true, rows), operand(true, rows, kFine), false, kNewCpu, OperandType::Bf16, false, false},
      {operand(true, ScaleLayout::None, 0x1p-130), operand(true), false, kNewCpu, OperandType::Bf16, false, true},
      {operand(true, ScaleLayout::None, kFine), operand(true, ScaleLayout::None, kFine), false, kAvx2,
       OperandType::Fp32, true, false}};
  for (const Case& c : cases) {
    CAPTURE(c.a.bf16, c.a.quantum, c.b.bf16, c.b.quantum, c.emulated, c.cpu.avx512);
    GemmFacts facts = facts_of(c.a, c.b);
    facts.emulated = c.emulated;
    const GemmPlan plan = choose_gemm(facts, c.cpu);
    CHECK(plan.kind.type == c.type);
    CHECK(plan.copies_to_fp32 == c.copies_to_fp32);
    CHECK(plan.may_need_fp32 == c.may_need_fp32);
  }
}

TEST_CASE("a result is made where it is asked for if a carrier can write there and its rounding can stay there") {
  struct Case {
    Destination out;
    bool has_bias, is_rounded, is_stochastic, rounds_in_place;
    bool transposed, writes_to_out, scales_in_rounding;
  };
  using enum Destination;
  const Case cases[] = {{New, false, false, false, false, false, false, false},
                        {New, false, true, true, false, false, false, true},
                        {Rows, false, false, false, false, false, true, false},
                        {Rows, true, false, false, false, false, true, false},
                        {Rows, false, true, false, true, false, true, true},
                        {Rows, true, true, false, true, false, true, false},
                        {Rows, false, true, false, false, false, false, true},
                        {Columns, false, false, false, false, true, true, false},
                        {Columns, true, false, false, false, false, false, false},
                        {Columns, false, true, false, true, true, true, true},
                        {Columns, false, true, false, false, true, false, true},
                        // Random words are numbered by the rows of a b^T.
                        {Columns, false, true, true, true, false, false, true},
                        {Scattered, false, false, false, false, false, false, false},
                        {Scattered, false, true, false, false, false, false, true}};
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.out), c.has_bias, c.is_rounded, c.is_stochastic, c.rounds_in_place);
    GemmFacts facts = facts_of(operand(false), operand(false));
    facts.out = c.out, facts.has_bias = c.has_bias, facts.is_rounded = c.is_rounded;
    facts.is_stochastic = c.is_stochastic, facts.rounds_in_place = c.rounds_in_place;
    const GemmPlan plan = choose_gemm(facts, kAvx2);
    CHECK(plan.transposed == c.transposed);
    CHECK(plan.writes_to_out == c.writes_to_out);
    CHECK(plan.scales_in_rounding == c.scales_in_rounding);
    facts.a.scales = ScaleLayout::Rows;
    CHECK_FALSE(choose_gemm(facts, kAvx2).writes_to_out);
    CHECK_FALSE(choose_gemm(facts, kAvx2).scales_in_rounding);
    CHECK(choose_gemm(facts, kAvx2).transposed == c.transposed);
    facts.emulated = true;
    CHECK_FALSE(choose_gemm(facts, kAvx2).transposed);
  }
}

TEST_CASE("what need not be computed is that of b a^T where a product is made so, and all of it with a bias") {
  using enum Causal;
  const std::pair<Causal, Causal> cases[] = {{No, No},
                                             {Result, No},
                                             {FirstPast, SecondPast},
                                             {FirstAhead, SecondAhead},
                                             {SecondPast, FirstPast},
                                             {SecondAhead, FirstAhead}};
  for (const auto& [causal, of_transposed] : cases) {
    CAPTURE(static_cast<int>(causal));
    GemmFacts facts = facts_of(operand(true), operand(true));
    facts.causal = causal, facts.out = Destination::Rows;
    CHECK(choose_gemm(facts, kNewCpu).causal == causal);
    facts.out = Destination::Columns;
    CHECK(choose_gemm(facts, kNewCpu).causal == of_transposed);
    facts.has_bias = true;
    CHECK(choose_gemm(facts, kNewCpu).causal == No);
    facts.has_bias = false, facts.a.scales = ScaleLayout::Rows;
    CHECK(choose_gemm(facts, kNewCpu).causal == No);
  }
}

TEST_CASE("a kind of product is told in the field's words") {
  CHECK(describe(ProductKind{}) == "fp32");
  CHECK(describe({Preparation::Folded, Way::OneProduct, OperandType::Bf16}) == "bf16, scales folded into the operands");
  CHECK(describe({Preparation::Dequantized, Way::OneProduct, OperandType::Fp32}) == "fp32, dequantized operands");
  CHECK(describe({Preparation::None, Way::ScaledRows, OperandType::Bf16}) == "bf16, sums scaled by rows");
  CHECK(describe({Preparation::None, Way::ScaledBlocks, OperandType::Fp32}) == "fp32, sums scaled by blocks of K");
  CHECK(describe({Preparation::None, Way::HeadByHead, OperandType::Bf16}) == "bf16, head by head");
  CHECK(describe({Preparation::Dequantized, Way::Emulated, OperandType::Fp32}) ==
        "emulated accumulator, dequantized operands");
}
