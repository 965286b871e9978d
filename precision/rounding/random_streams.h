// SPDX-License-Identifier: Apache-2.0
// The register of random streams: who draws which words of Philox (random_bits.h). A stream is a box of sites and
// operands; within it the step and the element number count on. Boxes of one family of seeds do not meet, which is
// asserted below, so that users of one seed never see the same words. docs/NUMERICS.md prints the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "precision/base/check.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// Streams whose seeds may be equal. `seed` stands for all seeds of a run, and the analysis of a run may be given the
// same number; `stats` reads a seed of its own and never meets the others in one answer.
enum class SeedFamily : std::uint8_t { Run, Statistics };

struct RandomStream {
  const char* name;
  SeedFamily family;
  const char* seed;  // the config key or option that gives it
  std::uint32_t first_site, last_site;
  std::uint16_t first_operand, last_operand;
  const char* site;     // what counts the sites, from first_site
  const char* operand;  // what counts the operands, from first_operand
  const char* step;     // what the key's step is
};

// Four letters as a site: far above the sites that count from 0, and below the top bit.
constexpr std::uint32_t site_of_letters(const char (&letters)[5]) {
  std::uint32_t site = 0;
  for (int i = 0; i < 4; ++i) site = site << 8 | static_cast<unsigned char>(letters[i]);
  return site;
}

inline constexpr std::uint32_t kLastCountedSite = (1u << 30) - 1;
inline constexpr std::uint16_t kAllOperands = 0xFFFF;

constexpr RandomStream counted_stream(const char* name, const char* seed, std::uint16_t first_operand,
                                      std::uint16_t last_operand, const char* site, const char* operand,
                                      const char* step) {
  return {name, SeedFamily::Run, seed, 0, kLastCountedSite, first_operand, last_operand, site, operand, step};
}
constexpr RandomStream lettered_stream(const char* name, const char* seed, const char (&letters)[5],
                                       std::uint16_t last_operand, const char* operand, const char* step) {
  const std::uint32_t site = site_of_letters(letters);
  return {name, SeedFamily::Run, seed, site, site, 0, last_operand, letters, operand, step};
}

// clang-format off
inline constexpr RandomStream kMatmulStream = counted_stream(
    "matmuls of training", "precision.seed", 0, 8, "matmul", "slot", "step");
inline constexpr RandomStream kEvaluationStream = counted_stream(
    "matmuls of validation", "precision.seed", 0x100, 0x108, "matmul", "slot", "step");
inline constexpr RandomStream kInitialWeightStream = counted_stream(
    "initial weights", "init.seed", 0x200, 0x200, "parameter", "", "");
inline constexpr RandomStream kStartVectorStream = counted_stream(
    "start vectors of the edge of stability", "precision.seed", 0x300, 0x300, "parameter", "", "step");
inline constexpr RandomStream kStorageStream = {
    "storage formats", SeedFamily::Run, "precision.seed", 0x80000000u, 0xFFFFFFFFu, 0, 3, "parameter",
    "weights, moments, gradients", "update"};
inline constexpr RandomStream kBatchStream = lettered_stream("batches", "data.seed", "BATC", 0, "", "step");
inline constexpr RandomStream kLanguageStream = lettered_stream(
    "synthetic language", "data.seed", "LANG", 3, "kind of context", "part of the language");
inline constexpr RandomStream kTeacherStream = lettered_stream(
    "teacher", "data.language_seed", "TEAC", 1, "weights, inputs of validation", "weight, batch");
inline constexpr RandomStream kSampleStream = lettered_stream(
    "samples for the teacher", "data.seed", "SAMP", 1, "inputs, noise", "step");
inline constexpr RandomStream kTraceStream = lettered_stream(
    "probes of the trace", "sharpness --seed", "TRAC", 1, "sketch, estimate", "probe");
inline constexpr RandomStream kDirectionStream = lettered_stream(
    "directions of a landscape", "landscape --seed", "DIRE", 0, "", "axis");
inline constexpr RandomStream kTopSpectrumStream = lettered_stream(
    "start vectors of the largest eigenvalues", "sharpness --seed", "TOPS", 0, "", "restart");
inline constexpr RandomStream kDensityStream = lettered_stream(
    "start vectors of the spectral density", "sharpness --seed", "DENS", kAllOperands, "vector", "restart");
inline constexpr RandomStream kLogitSubspaceStream = lettered_stream(
    "subspaces of logits", "sharpness --seed", "LOGI", kAllOperands, "column", "");
inline constexpr RandomStream kWeightSubspaceStream = lettered_stream(
    "subspaces of weights", "sharpness --seed", "KESB", kAllOperands, "column", "");
inline constexpr RandomStream kResampleStream = {
    "resamples of the bootstrap", SeedFamily::Statistics, "stats: seed", 0, 0xFFFFFFFFu, 0, 0, "group", "",
    "resample"};
// clang-format on

inline constexpr const RandomStream* kRandomStreams[] = {
    &kMatmulStream,  &kEvaluationStream,    &kInitialWeightStream,  &kStartVectorStream,
    &kStorageStream, &kBatchStream,         &kLanguageStream,       &kTeacherStream,
    &kSampleStream,  &kTraceStream,         &kDirectionStream,      &kTopSpectrumStream,
    &kDensityStream, &kLogitSubspaceStream, &kWeightSubspaceStream, &kResampleStream};

// Whether no key belongs to both.
constexpr bool are_apart(const RandomStream& a, const RandomStream& b) {
  return a.family != b.family || a.last_site < b.first_site || b.last_site < a.first_site ||
         a.last_operand < b.first_operand || b.last_operand < a.first_operand;
}

constexpr bool all_are_apart() {
  for (std::size_t i = 0; i < std::size(kRandomStreams); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!are_apart(*kRandomStreams[i], *kRandomStreams[j])) return false;
  return true;
}
static_assert(all_are_apart(), "two random streams share words");

// The key of a stream; site and operand count from the stream's first. Those beyond its last are a broken contract.
inline RandomKey random_key(const RandomStream& stream, std::uint64_t seed, std::uint32_t step = 0,
                            std::uint64_t site = 0, std::uint64_t operand = 0) {
  PRECIPICE_CHECK(site <= stream.last_site - stream.first_site &&
                      operand <= static_cast<std::uint64_t>(stream.last_operand - stream.first_operand),
                  "site ", site, " and operand ", operand, " are beyond the random stream of ", stream.name);
  return {seed, step, stream.first_site + static_cast<std::uint32_t>(site),
          static_cast<std::uint16_t>(stream.first_operand + operand), nullptr};
}

}  // namespace precipice
