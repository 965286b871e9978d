// SPDX-License-Identifier: Apache-2.0
// The matrix diag(s) H / 4 of the random Hadamard transform (hadamard.h): H Sylvester's matrix of order 16, s one fixed
// sign vector (TransformerEngine custom_recipes/reference_nvfp4.py; arXiv 2509.25149 section 4.2).
#pragma once

namespace precipice {

inline constexpr int kHadamard = 16;
struct HadamardMatrix {
  float entry[kHadamard][kHadamard];
};

// s on the rows: entry [k][j] = s[k] (-1)^popcount(k & j) / 4.
constexpr HadamardMatrix hadamard_matrix() {
  constexpr int kSigns[kHadamard] = {1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1};
  HadamardMatrix m{};
  for (int k = 0; k < kHadamard; ++k) {
    for (int j = 0; j < kHadamard; ++j) {
      int sign = kSigns[k];
      for (int common = k & j; common != 0; common &= common - 1) sign = -sign;
      m.entry[k][j] = 0.25f * static_cast<float>(sign);
    }
  }
  return m;
}

}  // namespace precipice
