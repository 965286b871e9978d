// SPDX-License-Identifier: Apache-2.0
// The table behind docs/ACCUMULATORS.md. MMA-Sim: arXiv 2511.10909, models. Recorded: results of the hardware that arXiv
// 2512.07004 publishes. mmaemu: a model of cuBLASLt's FP8 products with recorded calls.
#include "precision/accumulator/accumulator_presets.h"

#include <fmt/format.h>

namespace precipice {
namespace {

struct Preset {
  const char* name;
  const char* spelling;
  const char* citation;
};

constexpr Preset kPresets[] = {
    {"fp32", "every:format=fp32,rounding=rne",
     "IEEE 754 binary32, one rounding to nearest even per product, in the order of k"},

    {"volta-fp16", "tensor-core:align=operands,bits=24,group=4,promote=0,lowest=-900,operands=fp16",
     "V100, m8n8k4: recorded, all"},
    {"ampere-fp16", "tensor-core:align=operands,bits=25,group=8,promote=0,lowest=-132,operands=fp16",
     "A100, A2 and Ada, m16n8k16 as two blocks: recorded"},
    {"ampere-bf16", "tensor-core:align=operands,bits=25,group=8,promote=0,lowest=-132,operands=bf16",
     "A100, A2 and Ada, m16n8k16 as two blocks: recorded"},
    {"ampere-tf32", "tensor-core:align=operands,bits=25,group=4,promote=0,lowest=-132,operands=tf32",
     "A100, m16n8k8 as two blocks: recorded"},
    {"ada-fp8", "tensor-core:align=operands,bits=14,group=16,promote=0,lowest=-132,operands=fp8",
     "Ada and L40S, m16n8k32 as two blocks: recorded; mmaemu"},
    {"hopper-fp8", "tensor-core:align=operands,bits=14,group=32,promote=0,lowest=-133,operands=fp8",
     "H100 and H200, wgmma k32: recorded; the register's part: mmaemu's calls of an H100. promote=128 as cuBLAS "
     "without "
     "fast accumulation"},
    {"hopper-fp16", "tensor-core:align=operands,bits=26,group=16,promote=0,lowest=-133,operands=fp16",
     "H100 and H200, mma: recorded; wgmma: MMA-Sim"},
    {"hopper-bf16", "tensor-core:align=operands,bits=26,group=16,promote=0,lowest=-133,operands=bf16",
     "H100 and H200, mma: recorded; wgmma: MMA-Sim"},
    {"hopper-tf32", "tensor-core:align=operands,bits=26,group=8,promote=0,lowest=-133,operands=tf32",
     "H100, 4 products: recorded; 8: MMA-Sim"},
    {"hopper-mma-fp8", "tensor-core:align=operands,bits=26,group=32,promote=0,lowest=-133,register=added,operands=fp8",
     "mma.sync of FP8 on fp16 units, H100 and B200: recorded (B200), all"},
    {"blackwell-fp16", "tensor-core:align=operands,bits=26,group=16,promote=0,lowest=-133,operands=fp16",
     "B200, mma: recorded; tcgen05: MMA-Sim"},
    {"blackwell-bf16", "tensor-core:align=operands,bits=26,group=16,promote=0,lowest=-133,operands=bf16",
     "B200, mma: recorded; tcgen05: MMA-Sim"},
    {"blackwell-tf32", "tensor-core:align=operands,bits=26,group=8,promote=0,lowest=-133,operands=tf32",
     "B200, mma: recorded; tcgen05: MMA-Sim"},
    {"blackwell-fp8", "tensor-core:align=operands,bits=26,group=32,promote=0,lowest=-133,operands=f8f4",
     "tcgen05 kind::f8f6f4, k32: two models that agree, no recording"},
    {"blackwell-mxf8", "tensor-core:align=operands,bits=26,group=32,promote=0,lowest=-133,scales=terms,operands=f8f4",
     "tcgen05 kind::mxf8f6f4, E8M0 scales per 32: MMA-Sim alone"},
    {"blackwell-nvf4", "tensor-core:align=operands,bits=36,group=64,promote=0,lowest=-133,scales=groups,operands=fp4",
     "tcgen05 kind::mxf4nvf4, E4M3 scales per 16: MMA-Sim alone"},
    {"blackwell-mxf4",
     "tensor-core:align=operands,bits=36,group=64,promote=0,lowest=-133,scales=groups,scale_emin=-127,operands=fp4",
     "tcgen05 kind::mxf4, E8M0 scales per 16 or 32: MMA-Sim alone"},

    {"cdna3-fp16", "matrix-core:bits=25,group=8,operands=fp16", "MI300, MFMA k8: MMA-Sim alone"},
    {"cdna3-bf16", "matrix-core:bits=25,group=8,operands=bf16", "MI300, MFMA k8: MMA-Sim alone"},
    {"cdna3-fp8", "matrix-core:bits=25,group=16,halves=2,operands=fp8-fnuz",
     "MI300, MFMA k16: MMA-Sim; arXiv 2512.07004's model has the same steps"},

    {"hopper", "tensor-core:align=value,bits=14,group=32,promote=128",
     "how DeepSeek-V3's section 3.3.2 (arXiv 2412.19437) reads, aligned by the product's value; the hardware's is "
     "hopper-fp8:promote=128"},
    {"hopper-fast", "tensor-core:align=value,bits=14,group=32,promote=0",
     "the same without promotion; the hardware's is hopper-fp8"},
    {"fp22", "every:format=e8m13,rounding=rtz",
     "the reading of Hopper as e8m13, truncated at every add: SageAttention 2, arXiv 2411.10958"},
    {"ibm-chunk", "chunk:size=64,format=e6m9,inner=same",
     "chunks of 64 in e6m9, inside and between: Wang et al., NeurIPS 2018"}};

}  // namespace

const std::vector<PresetAccumulator>& preset_accumulators() {
  static const std::vector<PresetAccumulator> presets = [] {
    std::vector<PresetAccumulator> made;
    for (const Preset& preset : kPresets)
      made.push_back({preset.name, parse_accumulator(preset.spelling), preset.citation});
    return made;
  }();
  return presets;
}

std::string short_name(const Accumulator& accumulator) {
  for (const PresetAccumulator& preset : preset_accumulators()) {
    Accumulator same = preset.accumulator;
    same.promote = accumulator.promote, same.split = accumulator.split;
    if (!(same == accumulator)) continue;
    std::string options;
    if (accumulator.promote != preset.accumulator.promote) options += fmt::format(",promote={}", accumulator.promote);
    if (accumulator.split != preset.accumulator.split) options += fmt::format(",split={}", accumulator.split);
    return preset.name + (options.empty() ? "" : ":" + options.substr(1));
  }
  return to_string(accumulator);
}

std::string name_and_numbers(const Accumulator& accumulator) {
  const std::string name = short_name(accumulator), numbers = to_string(accumulator);
  return name == numbers ? numbers : fmt::format("{} ({})", name, numbers);
}

}  // namespace precipice
