// SPDX-License-Identifier: Apache-2.0
// ATen's parallel loops. They are templates, which run on one thread, and say nothing, where OpenMP is off.
#pragma once

#include <ATen/Config.h>
#include <ATen/Parallel.h>

#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "files with at::parallel_for are compiled with OpenMP: link OpenMP::OpenMP_CXX"
#endif
