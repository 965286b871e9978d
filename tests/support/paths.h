// SPDX-License-Identifier: Apache-2.0
// Where the tests find the source tree, the program and the CUDA library. Only paths.cpp is compiled with these paths,
// so that a compiler cache serves the same objects to every checkout.
#pragma once

#include <string>

namespace precipice {

std::string source_directory();     // of the checkout
std::string program_path();         // the precipice program
std::string cuda_library();         // libprecipice_cuda.so; "": it was not built
std::string cuda_on_cpu_library();  // its files for the CPU (tests/support/cuda_on_cpu)
std::string fake_cuda_library();    // tests/support/fake_gpu
std::string fake_torch_cuda_library();
std::string stand_in_torch_cuda_library();  // tests/support/stand_in
std::string flushing_library();  // sets FTZ and DAZ when it is loaded

}  // namespace precipice
