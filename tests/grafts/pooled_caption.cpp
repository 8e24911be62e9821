// SPDX-License-Identifier: MIT
// The pooled caption at a port that is given none.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/grafts.hpp>

#include "tests/grafts/toy.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("A pooled caption needs a model that gives its caption to the port", "[grafts]") {
  const toy::Model<float, Cpu> m{toy::Config{}};
  grafts::PooledCaption<float, Cpu> layer(m.port("time"), {});
  Tape<float, Cpu> tape(Tape<float, Cpu>::Mode::infer);
  const auto time = tape.constant(toy::noise<float>({2, 12}, 1));
  CHECK(says(message_of<shape_error>([&] { layer(tape, time, {}); }), "[PooledCaption]", "GraftContext::caption"));
}
