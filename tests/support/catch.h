// SPDX-License-Identifier: Apache-2.0
// One include for Catch2 v3 and v2 (Debian bookworm ships 2.13).
#pragma once

// Where torch is in use: its CHECK, which stops at the first failure and shows no values, must not come after Catch2's.
#ifdef TORCH_CHECK
#include <c10/util/Logging.h>
#endif

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
