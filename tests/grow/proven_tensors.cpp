// SPDX-License-Identifier: MIT
// Tensors that are proven while they are made: what is missing, what was made otherwise, and what was written elsewhere
// than it is read.
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/proven_tensors.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

struct Growth {
  Growth()
      : p(plan(tiny::schema({}), Net2Wider{.space = "ffn", .to = 13})),
        old(tiny::to_dict<float>(p.source(), tiny::random_state(p.source()))),
        grown(grow_weights(p, old)),
        before(detail::views_of(old)),
        after(detail::views_of(grown)),
        set(before, "old"),
        outputs(weight_outputs(p, set)),
        tensors(p, Contents::weights, set, outputs, "test") {}
  FileCheck check() { return tensors.check(TensorSet(after, "grown")); }

  Plan p;
  StateDict old, grown;
  std::vector<TensorView> before, after;
  TensorSet set;
  std::vector<Output> outputs;
  detail::ProvenTensors tensors;
};

/// Reads by pieces of so many bytes.
std::vector<std::byte> read(const JoinedTensor& t, std::size_t piece) {
  std::vector<std::byte> bytes(std::size_t(t.bytes()));
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    t.read(at, std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
  return bytes;
}

}  // namespace

TEST_CASE("tensors that are read by pieces are those of the growth, and proven") {
  Growth g;
  for (std::size_t i = 0; i < g.tensors.size(); ++i) {
    const auto t = g.tensors.tensor(i);
    CHECK(read(t, 12) == g.grown.at(t.name()).bytes);
  }
  const auto check = g.check();
  CHECK(check.tensors.size() == g.outputs.size());
  CHECK(check.max_residual == 0);
}

TEST_CASE("a tensor that was not read whole is missed") {
  Growth g;
  for (std::size_t i = 0; i < g.tensors.size(); ++i) {
    const auto t = g.tensors.tensor(i);
    std::vector<std::byte> bytes(std::size_t(t.bytes() - (i == 1 ? 8 : 0)));
    t.read(0, bytes);
  }
  CHECK(says(message_of<check_error>([&] { g.check(); }), "grown",
             "8 bytes of tensor '" + g.outputs[1].target.name + "'"));
}

TEST_CASE("bytes that are there already are proven like made ones") {
  Growth g;
  const auto& target = g.outputs[0].target;
  auto bytes = g.grown.at(target.name).bytes;
  bytes[5] ^= std::byte{64};
  CHECK(says(message_of<check_error>([&] {
               g.tensors.make(0, 0, bytes, true);
               for (std::size_t i = 1; i < g.tensors.size(); ++i) read(g.tensors.tensor(i), 4096);
               g.check();
             }),
             "'" + target.name + "'"));
}

TEST_CASE("a state that is read from elsewhere than it was written is found") {
  const auto t = torch_run::trained("AdamW");
  const tiny::Scratch scratch;
  auto state = torch_run::stored(t.state, Optimizer::adamw, {torch_run::parameter_names(t.run.schema)});
  state.param_names = true;
  const auto places = write_torch_optimizer(scratch / "optimizer.bin", state).tensors;
  const auto written = read_torch_optimizer(scratch / "optimizer.bin");
  const auto found = [&](auto&& change) {
    auto other = written;
    auto at = places;
    change(other, at);
    return message_of<check_error>([&] { detail::check_places(other, state, at, "file"); });
  };
  CHECK(found([](auto&, auto&) {}).empty());
  CHECK(says(found([](auto&, auto& at) { ++at[4]; }), "file", state.parameters[1].name, "is not read from byte"));
  CHECK(says(
      found([](auto& s, auto&) { std::swap(s.parameters[2].entries[1].tensor, s.parameters[2].entries[2].tensor); }),
      state.parameters[2].name, "is not read from byte"));
  CHECK(says(found([](auto& s, auto&) { s.parameters[0].entries.pop_back(); }), "entry", "was not written"));
  CHECK(says(found([](auto& s, auto&) {
               s.parameters[0].entries.push_back(s.parameters[0].entries[0]);
               s.parameters[0].entries.back().name = "more";
             }),
             "entry 'more'", "none was promised"));
  CHECK(
      says(found([](auto& s, auto&) { s.parameters[0].entries[0].number = PickleValue(2.5); }), "was written as 2.5"));
  CHECK(says(found([](auto& s, auto&) { s.parameters[0].entries[1].tensor = s.parameters[1].entries[1].tensor; }),
             "was written as", "was promised"));
}
