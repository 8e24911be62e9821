// SPDX-License-Identifier: MIT
// Advice for every release: a plan that holds, of about the size asked for, with reasons whose rows are in the study.
#include <fstream>
#include <iterator>

#include <modelgrow/grow/advice.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/release_schema.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string study(const std::string& experiment) {
  std::ifstream file(std::string(MODELGROW_SOURCE_DIR) + "/docs/growth-study/" + experiment + "/summary.csv");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

TEST_CASE("every release is advised a growth that comes near the wish", "[advice]") {
  for (const auto& r : releases()) {
    INFO(r.name);
    const Schema s = schema_of(r);
    for (const double times : {1.5, 2.0, 3.0}) {
      const Advice a = advise(s, {.times = times, .trained = 0.5});
      const Plan p = plan(s, a.calls);
      CHECK(p.certificate().exactness != Exactness::approximate);
      CHECK(p.schema().trained_elements() == a.grown);
      CHECK(std::abs(double(a.grown) / double(a.elements) / times - 1) < 0.15);
    }
    const Advice open = advise(s, {.approximate = true});
    CHECK(plan(s, open.calls).certificate().exactness == Exactness::approximate);
  }
}

TEST_CASE("every reason has its rows in the tables of the study", "[advice]") {
  const Schema s = schema_of(releases().front());
  for (const auto& wish :
       {AdviceWish{.trained = 0.5}, AdviceWish{.trained = 1}, AdviceWish{.times = 8, .approximate = true}})
    for (const Reason& reason : advise(s, wish).reasons) {
      INFO(reason.rows);
      const auto colon = reason.rows.find(": ");
      REQUIRE(colon != std::string::npos);
      const std::string table = study(reason.rows.substr(0, colon));
      REQUIRE_FALSE(table.empty());
      std::string rest = reason.rows.substr(colon + 2);
      while (!rest.empty()) {
        const auto end = std::min(rest.find("; "), rest.size());
        const std::string arm = rest.substr(0, end);
        CHECK((says(table, "," + arm + ",") || says(table, ",\"" + arm + "\",")));
        rest.erase(0, std::min(rest.size(), end + 2));
      }
    }
}

TEST_CASE("wishes that make no sense are refused", "[advice]") {
  const Schema s = schema_of(releases().front());
  CHECK(says(message_of<option_error>([&] { advise(s, {.times = 1}); }), "times=1 is no growth", "above 1"));
  CHECK(says(message_of<option_error>([&] { advise(s, {.times = 100}); }), "at most 16"));
  CHECK(says(message_of<option_error>([&] { advise(s, {.trained = 50}); }), "trained=50", "1 is a finished model"));
  CHECK(says(message_of<plan_error>([&] { advise(s, {.times = 1.0001}); }), "nearer to times=1.0001", "inspect"));
}
