// SPDX-License-Identifier: Apache-2.0
// Small kernels for the tests of the run-time library itself (example_kernels.cu), right ones and ones with a mistake.
#pragma once

namespace cuda_on_cpu {

// Null where the example ran and gave what it should, or the sentence that it ended with; "no such example".
const char* run_example(const char* name);

}  // namespace cuda_on_cpu
