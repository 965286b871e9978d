// SPDX-License-Identifier: Apache-2.0
// Functions compiled for several instruction sets, chosen when the program starts; without contraction all of them
// round alike. For plain loops in .cpp files, where a compiler has such clones: elsewhere it is the baseline's code.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PRECIPICE_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define PRECIPICE_CLONES
#endif
