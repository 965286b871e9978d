// SPDX-License-Identifier: Apache-2.0
// One include for Catch2 v2 and v3 (Debian ships 2.13 in bookworm, 3.7 in trixie). Tests are written with v2's names.
#pragma once

// Where torch is in use: its CHECK, which stops at the first failure and shows no values, must not come after Catch2's.
#ifdef TORCH_CHECK
#include <c10/util/Logging.h>
#endif

#if __has_include(<catch2/catch_all.hpp>)
// v2's names over v3.
#include "tests/support/catch_v3.h"
#else
#include <catch2/catch.hpp>
#endif
