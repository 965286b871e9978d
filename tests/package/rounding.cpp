// SPDX-License-Identifier: Apache-2.0
// Rounds the numbers of its command line to the format that comes first.
#include <cstdio>
#include <cstdlib>

#include "precision/format/float_format.h"
#include "precision/rounding/round_to_format.h"

using namespace precipice;

int main(int count, char** words) {
  const FormatConstants format = prepare(parse_float_format(words[1]), Overflow::Saturate);
  for (int i = 2; i < count; ++i)
    std::printf("%g\n", round_to_format<Rounding::NearestEven>(std::strtof(words[i], nullptr), format));
}
