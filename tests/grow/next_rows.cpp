// SPDX-License-Identifier: MIT
// New rows from the next block (AKI of bert2BERT): old rows and all columns are as Net2Wider makes them, new rows are
// those that it makes of the next block; the last block keeps its own. Approximate, on disk as in memory.
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

const tiny::Config small{.depth = 3};

tiny::State<double> grown(const Plan& p) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), tiny::random_state(p.source()))));
}

}  // namespace

TEST_CASE("new rows are those of the next block, all else is Net2Wider") {
  const Schema s = tiny::schema(small);
  const auto [op, unit] = GENERATE(std::pair{Net2Wider{.space = "ffn", .to = 13, .seed = 3}, "mlp.fc1"},
                                   std::pair{Net2Wider{.space = "hidden", .to = 12}, "mlp.fc2"});
  Net2Wider next = op;
  next.rows = NewRows::next;
  const Plan p = plan(s, allow_approximate, next);
  const auto own = grown(plan(s, op)), taken = grown(p);
  const auto& from = std::get<Remap>(p.steps()[1].verb).maps[0].from;
  const auto copy = [&](std::size_t j) {
    return std::find(from.begin(), from.end(), from[j]) != from.begin() + std::ptrdiff_t(j);
  };
  std::int64_t rows = 0;
  for (const std::string end : {".weight", ".bias"})
    for (std::int64_t b = 0; b < 3; ++b) {
      const auto& w = taken.at(in_block("blocks", b, unit + end));
      const auto& mine = own.at(in_block("blocks", b, unit + end));
      const auto& others = own.at(in_block("blocks", std::min<std::int64_t>(b + 1, 2), unit + end));
      const std::size_t row = w.size() / from.size();
      for (std::size_t i = 0; i < w.size(); ++i) {
        const bool donated = copy(i / row);
        CHECK(w[i] == (donated ? others : mine)[i]);
        rows += donated && b < 2 && w[i] != mine[i];
      }
    }
  CHECK(rows > 0);
  CHECK(taken.at("blocks.2.mlp.fc1.weight") == own.at("blocks.2.mlp.fc1.weight"));
  CHECK(taken.at("x_embedder.weight") == own.at("x_embedder.weight"));
  CHECK(taken.at("blocks.0.scale_shift_table") == own.at("blocks.0.scale_shift_table"));
}

TEST_CASE("rows of the next block are approximate, once, and come back from JSON") {
  const Schema s = tiny::schema(small);
  const Net2Wider op{.space = "ffn", .to = 10, .rows = NewRows::next};
  const auto refused = [&](const auto&... ops) { return message_of<plan_error>([&] { plan(s, ops...); }); };
  CHECK(says(refused(op), "as those of the next block", "allow_approximate"));
  CHECK(says(refused(allow_approximate, op, Net2Wider{.space = "ffn", .to = 20, .rows = NewRows::next}),
             "'blocks.0.mlp.fc1.weight' were taken from the next block before"));
  Schema flat = s;
  flat.stacks.clear();
  CHECK(says(message_of<plan_error>([&] { plan(flat, allow_approximate, op); }), "its rows are in no stack"));
  const Plan p = plan(s, allow_approximate, op);
  const auto text = to_json(p);
  CHECK(says(text, R"("modelgrow_plan":4)", R"("rows":"next")"));
  CHECK(to_json(plan_from_json(text, s)) == text);
  std::string recipes;
  for (const auto& r : p.recipes()) recipes += r.name + ": " + to_string(r) + "\n";
  CHECK(says(recipes, "blocks.1.mlp.fc1.weight: kept; ffn: copy axis 0; new rows of the next block\n",
             "blocks.2.mlp.fc1.weight: kept; ffn: copy axis 0\n"));
}

TEST_CASE("growth goes on from rows of the next block as if they were its own") {
  const Schema s = tiny::schema(small);
  const Net2Wider op{.space = "ffn", .to = 9, .rows = NewRows::next};
  const Plan one = plan(s, allow_approximate, op);
  const Plan rest = plan(one.schema(), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 18},
                         Net2Wider{.space = "hidden", .to = 12});
  const Plan all = plan(s, allow_approximate, op, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 18},
                        Net2Wider{.space = "hidden", .to = 12});
  const auto weights = tiny::to_dict<double>(s, tiny::random_state(s));
  CHECK(grow_weights(rest, grow_weights(one, weights)) == grow_weights(all, weights));
}

TEST_CASE("rows of the next block are written to files as they are made in memory") {
  const tiny::Scratch scratch;
  const tiny::Config two{};
  tiny::make_directory<float>(scratch / "in", two);
  const auto in = Checkpoint::open(scratch / "in");
  const Plan p = plan(tiny::disk_schema(two), allow_approximate,
                      Net2Wider{.space = "hidden", .to = 12, .rows = NewRows::next}, InsertBlocks{.every = 1});
  const Report report = p.write(in, scratch / "out");
  CHECK(report.max_residual > 0);
  const auto out = [&](const char* file) { return tiny::read_dict(Checkpoint::open(scratch / "out" / file)); };
  CHECK(out("model.safetensors") == grow_weights(p, tiny::read_dict(in)));
  CHECK(out("ema.safetensors") ==
        grow_weights(p, tiny::read_dict(Checkpoint::open(scratch / "in" / "ema.safetensors")), Absent::leave_out));
  StateDict torn = tiny::read_dict(in);
  torn.at("blocks.1.mlp.fc2.weight").shape = Shape{5, 6};
  CHECK(says(message_of<format_error>([&] { grow_weights(p, torn); }), "blocks.1.mlp.fc2.weight"));
}
