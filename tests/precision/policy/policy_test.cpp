// SPDX-License-Identifier: Apache-2.0
#include "precision/policy/policy.h"
#include "precision/policy/element_precision.h"

#include <set>

#include "precision/base/check.h"
#include "precision/quantize/device.h"
#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("sites have one number and one name each, the LM head last") {
  const PrecisionPolicy policy(3);
  const auto names = policy.site_names();
  REQUIRE(names.size() == policy.num_sites());
  CHECK(policy.num_sites() == 3 * 6 + 1);
  CHECK(names.front() == "h.0.attn.qkv");
  CHECK(names[policy.site_index(SiteKind::MlpUp, 2)] == "h.2.mlp.up");
  CHECK(names[policy.site_index(SiteKind::LmHead, 0)] == "lm_head");
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK_THROWS_AS(policy.site_index(SiteKind::AttnQk, 3), ContractError);
}

TEST_CASE("a policy has the sites of its model's blocks, in their order") {
  const PrecisionPolicy gated(2, kGatedBlockSites);
  CHECK(gated.num_sites() == 2 * 7 + 1);
  CHECK(gated.site_names()[gated.site_index(SiteKind::MlpGate, 1)] == "h.1.mlp.gate");
  CHECK(gated.site_index(SiteKind::MlpDown, 1) == 13);
  CHECK_THROWS_AS(PrecisionPolicy(2).site_index(SiteKind::MlpGate, 0), ContractError);
  CHECK(gated.elements() == ElementPrecision{});
}

TEST_CASE("one pass of one kind can be set for a range of layers, counted from the end too") {
  PrecisionPolicy policy(4);
  GemmPrecision gemm;
  gemm.first.element.format = parse_float_format("e5m2");
  policy.set(SiteKind::MlpDown, -2, -1, Pass::Dgrad, gemm);
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    const SitePrecision& site = policy.at(policy.site_index(SiteKind::MlpDown, layer));
    CHECK((site.dgrad == gemm) == (layer >= 2));
    CHECK(site.fprop == GemmPrecision{});
    CHECK(policy.at(policy.site_index(SiteKind::MlpUp, layer)) == SitePrecision{});
  }
  CHECK_THROWS_AS(policy.set(SiteKind::MlpDown, 2, 1, Pass::Dgrad, gemm), ContractError);
}

TEST_CASE("a device without its library is refused with what is missing") {
  CHECK_NOTHROW(open_device(DeviceKind::Cpu));
  CHECK_THROWS_WITH(open_device(DeviceKind::Cuda), Catch::Contains("libprecipice_cuda.so"));
}
