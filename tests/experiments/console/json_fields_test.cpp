// SPDX-License-Identifier: Apache-2.0
// JSON of structs against the bytes that it should be.
#include "experiments/console/json_fields.h"

#include <cstdint>
#include <limits>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

struct Inner {
  bool is_known;
  std::optional<std::string> name;
};
template <class Visit>
void visit_fields(const Inner& inner, const Visit& visit) {
  visit("known", inner.is_known);
  visit("name", inner.name);
}

struct Outer {
  double value;
  std::vector<double> values;
  Interval interval;
  std::variant<Inner, std::vector<Inner>> inner;
  Keyed<std::int64_t> counts;
  std::string reason;
};
template <class Visit>
void visit_fields(const Outer& outer, const Visit& visit) {
  visit("value", outer.value);
  visit("values", outer.values);
  visit("interval", outer.interval);
  visit("inner", outer.inner);
  visit("counts", outer.counts);
  visit_reason(outer.reason, visit);
  visit("end", "here");
}

}  // namespace

TEST_CASE("a struct becomes an object with its fields in the order in which it names them") {
  const Outer outer{0.5, {1, 2.25}, {-1, 1}, Inner{true, "a"}, {{"z", 3}, {"b", -4}}, "because"};
  const std::string bytes =
      R"({"value":0.5,"values":[1.0,2.25],"interval":[-1.0,1.0],"inner":{"known":true,"name":"a"},)"
      R"("counts":{"z":3,"b":-4},"reason":"because","end":"here"})";
  CHECK(json_of<finite_or_null>(outer).dump() == bytes);
  CHECK(json_of<finite_or_word>(outer).dump() == bytes);
}

TEST_CASE("NaN and what is empty are null, infinities null or words as asked, and an empty reason is no key") {
  const Outer outer{kNan, {kInf, -kInf}, {kNan, kInf}, std::vector<Inner>{{false, {}}}, {}, ""};
  CHECK(json_of<finite_or_null>(outer).dump() ==
        R"({"value":null,"values":[null,null],"interval":[null,null],"inner":[{"known":false,"name":null}],)"
        R"("counts":{},"end":"here"})");
  CHECK(json_of<finite_or_word>(outer).dump() ==
        R"({"value":null,"values":["inf","-inf"],"interval":[null,"inf"],"inner":[{"known":false,"name":null}],)"
        R"("counts":{},"end":"here"})");
}
