// SPDX-License-Identifier: Apache-2.0
// Kinds of matmul sites, and which of them the blocks of models have.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

enum class SiteKind : std::uint8_t { AttnQkv, AttnQk, AttnPv, AttnProj, MlpGate, MlpUp, MlpDown, LmHead };
inline constexpr SiteKind kBlockSites[] = {SiteKind::AttnQkv,  SiteKind::AttnQk, SiteKind::AttnPv,
                                           SiteKind::AttnProj, SiteKind::MlpUp,  SiteKind::MlpDown};
// A block whose MLP has a gate (SwiGLU).
inline constexpr SiteKind kGatedBlockSites[] = {SiteKind::AttnQkv,  SiteKind::AttnQk,  SiteKind::AttnPv,
                                                SiteKind::AttnProj, SiteKind::MlpGate, SiteKind::MlpUp,
                                                SiteKind::MlpDown};
// A block that is an MLP alone.
inline constexpr SiteKind kMlpBlockSites[] = {SiteKind::MlpUp, SiteKind::MlpDown};
std::string to_string(SiteKind kind);  // attn.qkv attn.qk attn.pv attn.proj mlp.gate mlp.up mlp.down lm_head

}  // namespace precipice
