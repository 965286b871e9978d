// SPDX-License-Identifier: Apache-2.0
// One include for Catch2 v3 and v2 (Debian bookworm ships 2.13).
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
