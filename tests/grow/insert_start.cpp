// SPDX-License-Identifier: MIT
// New blocks that are open from the first step on: copies as they are, with random closing weights, random altogether,
// and a stack that is repeated. All are refused without a permission, and are what the plan says they are.
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/plan_print.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

const tiny::Config small{.depth = 3, .text = 3, .conv = true};

struct Grown {
  Plan p;
  StateDict old, now;
  const HostTensor& old_tensor(std::int64_t block, const std::string& rest) const {
    return old.at(in_block("blocks", block, rest));
  }
  const HostTensor& tensor(std::int64_t block, const std::string& rest) const {
    return now.at(in_block("blocks", block, rest));
  }
  /// The message of the check_error after an edit.
  template <class F>
  std::string after(F&& edit) const {
    StateDict changed = now;
    edit(changed);
    const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(changed);
    return message_of<check_error>([&] { check_weights(p, TensorSet(a, "old"), TensorSet(b, "grown")); });
  }
};
Grown grown(const Plan& p) {
  auto old = tiny::to_dict<float>(p.source(), tiny::random_state(p.source()));
  auto now = grow_weights(p, old);
  return Grown{.p = p, .old = std::move(old), .now = std::move(now)};
}
Grown started(BlockStart start, std::uint64_t seed = 5) {
  return grown(plan(tiny::schema(small), allow_approximate, InsertBlocks{.every = 1, .start = start, .seed = seed}));
}

const std::vector<std::string> closers{"attn.proj.weight", "conv.weight", "cross.proj.weight", "mlp.fc2.weight"};
const std::vector<std::string> inner{"scale_shift_table", "attn.qkv.weight", "cross.kv.weight", "mlp.fc1.weight"};

double rms(const HostTensor& t) {
  double sum = 0;
  const auto values = tiny::numbers(t);
  for (const double x : values) sum += x * x;
  return std::sqrt(sum / double(values.size()));
}

}  // namespace

TEST_CASE("plain copies are their originals, and do once more what these do") {
  const auto g = started(BlockStart::plain);
  for (const auto& [name, t] : g.now)
    if (const auto b = block_name(name, "blocks")) CHECK(t == g.old_tensor(b->block / 2, std::string(b->rest)));
  // A model of six blocks that was assembled by hand computes the same.
  tiny::Config deep = small;
  deep.depth = 6;
  const auto w = tiny::random_state(g.p.source());
  tiny::State<double> by_hand;
  for (const auto& p : tiny::schema(deep).parameters) {
    const auto b = block_name(p.name, "blocks");
    by_hand[p.name] = w.at(b ? in_block("blocks", b->block / 2, b->rest) : p.name);
  }
  const auto made = tiny::from_dict(grow_weights(g.p, tiny::to_dict<double>(g.p.source(), w)));
  CHECK(tiny::forward(deep, made) == tiny::forward(deep, by_hand));
  CHECK(tiny::distance(tiny::forward(small, w), tiny::forward(deep, made)) > 1e-2);
  CHECK(g.after([](StateDict&) {}).empty());
  const auto changed = [](StateDict& d) { d["blocks.1.mlp.fc2.weight"] = d["blocks.4.mlp.fc2.weight"]; };
  const auto a = modelgrow::detail::views_of(g.old);
  StateDict wrong = g.now;
  changed(wrong);
  const auto b = modelgrow::detail::views_of(wrong);
  CHECK(check_weights(g.p, TensorSet(a, "old"), TensorSet(b, "grown")).worst == "blocks.1.mlp.fc2.weight");
}

TEST_CASE("opened copies have random closing weights, random blocks nothing of their originals") {
  const auto opened = started(BlockStart::opened), random = started(BlockStart::random);
  for (const auto& rest : inner) {
    CHECK(opened.tensor(1, rest) == opened.old_tensor(0, rest));
    CHECK_FALSE(random.tensor(1, rest) == random.old_tensor(0, rest));
    CHECK_FALSE(random.tensor(1, rest) == random.tensor(3, rest));
    CHECK(rms(random.tensor(1, rest)) > 0.05);
  }
  for (const auto& rest : closers)
    for (const auto* g : {&opened, &random}) {
      CHECK_FALSE(g->tensor(1, rest) == g->tensor(3, rest));
      CHECK(rms(g->tensor(1, rest)) > 0.05);
      CHECK(g->tensor(2, rest) == g->old_tensor(1, rest));
    }
  CHECK(rms(random.tensor(1, "mlp.fc1.bias")) == 0);
  CHECK(started(BlockStart::random).now == random.now);
  CHECK_FALSE(started(BlockStart::random, 6).tensor(1, inner[0]) == random.tensor(1, inner[0]));
  for (const auto* g : {&opened, &random}) {
    CHECK(g->after([](StateDict&) {}).empty());
    const auto emptied = [](StateDict& d) {
      auto& bytes = d["blocks.1.mlp.fc2.weight"].bytes;
      std::fill(bytes.begin(), bytes.end(), std::byte{});
    };
    CHECK(says(g->after(emptied), "'blocks.1.mlp.fc2.weight' is new and zero"));
  }
}

TEST_CASE("a stack is repeated behind itself, whole or in part") {
  const Schema s = tiny::schema(small);
  const auto sources = [&](std::int64_t count, const Schema& of) {
    const Plan p = plan(of, allow_approximate,
                        InsertBlocks{.count = count, .placement = Placement::stack, .start = BlockStart::plain});
    std::string text;
    for (const auto& r : p.recipes())
      if (r.name.ends_with("mlp.fc1.weight")) text += std::to_string(block_name(r.source, "blocks")->block);
    return text;
  };
  CHECK(sources(3, s) == "012012");
  CHECK(sources(6, s) == "012012012");
  CHECK(sources(2, s) == "01201");
  Schema last = s;
  last.stacks[0].rules.last_is_special = "it has no gates";
  CHECK(sources(2, last) == "01012");
  Schema turns = tiny::schema(tiny::Config{.depth = 4});
  turns.stacks[0].rules.period = 2;
  CHECK(sources(2, turns) == "01230123");  // two runs of two
  CHECK(plan(s, InsertBlocks{.count = 3, .placement = Placement::stack}).certificate().exactness == Exactness::exact);
  CHECK(says(message_of<plan_error>([&] { plan(s, InsertBlocks{.every = 1, .placement = Placement::stack}); }),
             "repeated by .count blocks"));
}

TEST_CASE("what is open from the start is approximate, and says why") {
  const Schema s = tiny::schema(small);
  const std::pair<BlockStart, const char*> starts[] = {{BlockStart::plain, "do once more what their originals do"},
                                                       {BlockStart::opened, "what their random closing parameters"},
                                                       {BlockStart::random, "the new blocks are random"}};
  for (const auto& [start, why] : starts) {
    const InsertBlocks op{.every = 1, .start = start, .seed = 3};
    CHECK(says(message_of<plan_error>([&] { plan(s, op); }), why, "allow_approximate"));
    const Plan p = plan(s, allow_approximate, op);
    CHECK(p.certificate() == p.trajectory());
    CHECK(says(to_string(p.certificate()), "APPROXIMATE", why));
    const auto text = to_json(p);
    CHECK(says(text, R"("modelgrow_plan":4)", R"("seed":3)"));
    CHECK(to_json(plan_from_json(text, s)) == text);
  }
  CHECK(says(to_string(plan(s, allow_approximate, InsertBlocks{.at = {1}, .start = BlockStart::random})),
             "insert block 1 of blocks, as random as block 0", "xavier"));
  CHECK(says(message_of<format_error>([&] {
               plan_from_json(R"({"modelgrow_plan":4,"family":"tiny","steps":[{"by":"","call":0,"verb":"insert",)"
                              R"("stacks":["blocks"],"run":1,"places":[[1,0]],"start":"ajar","seed":0}]})",
                              s);
             }),
             "unknown start 'ajar'"));
}

TEST_CASE("open blocks grow on, at once or later") {
  const Schema s = tiny::schema(small);
  const auto weights = tiny::to_dict<double>(s, tiny::random_state(s));
  for (const auto start : {BlockStart::plain, BlockStart::opened, BlockStart::random}) {
    const InsertBlocks deeper{.every = 2, .start = start};
    const Net2Wider wider{.space = "hidden", .to = 12}, more{.space = "ffn", .to = 9};
    const Plan all = plan(s, allow_approximate, more, deeper, wider, InsertBlocks{.at = {2, 3}});
    const Plan one = plan(s, allow_approximate, more), two = plan(one.schema(), allow_approximate, deeper);
    const Plan rest = plan(two.schema(), wider, InsertBlocks{.at = {2, 3}});
    const auto step_by_step = grow_weights(rest, grow_weights(two, grow_weights(one, weights)));
    const auto at_once = grow_weights(all, weights);
    CHECK(step_by_step == at_once);
    // Later steps keep the function of what the open blocks made of the model.
    const auto before = tiny::from_dict(grow_weights(two, grow_weights(one, weights)));
    CHECK(tiny::distance(tiny::forward(tiny::config_of(two.schema()), before),
                         tiny::forward(tiny::config_of(all.schema()), tiny::from_dict(at_once))) <= 1e-12);
    const auto a = modelgrow::detail::views_of(weights), b = modelgrow::detail::views_of(at_once);
    CHECK(check_weights(all, TensorSet(a, "old"), TensorSet(b, "grown")).max_residual == 0);
  }
}

TEST_CASE("layers that were added before are random in random blocks, too") {
  const Schema s = tiny::schema(tiny::Config{.depth = 3});
  for (const auto start : {BlockStart::plain, BlockStart::opened, BlockStart::random}) {
    const auto g = grown(plan(s, tiny::AddConv{}, allow_approximate, InsertBlocks{.every = 1, .start = start}));
    CHECK((rms(g.tensor(1, "conv.weight")) > 0) == (start != BlockStart::plain));
    CHECK(rms(g.tensor(2, "conv.weight")) == 0);
    CHECK(g.after([](StateDict&) {}).empty());
  }
}

TEST_CASE("state of open blocks is new, in files too") {
  const tiny::Scratch scratch;
  const tiny::Config two{.text = 3, .conv = true};
  tiny::make_directory<bf16>(scratch / "in", two);
  const auto in = Checkpoint::open(scratch / "in");
  for (const auto start : {BlockStart::plain, BlockStart::opened, BlockStart::random}) {
    const auto out = scratch / std::string(words_of(start)[std::size_t(start)]);
    const Report report =
        plan(tiny::disk_schema(two), allow_approximate, InsertBlocks{.every = 1, .start = start}).write(in, out);
    CHECK(report.optimizer_moved);
    const auto state = tiny::read_dict(Checkpoint::open(out / "optimizer.safetensors"));
    for (const char* kind : {"adamw.m.", "adamw.v.", "adamw.step."}) {
      CHECK(rms(state.at(kind + std::string("blocks.1.mlp.fc2.weight"))) == 0);
      CHECK(rms(state.at(kind + std::string("blocks.2.mlp.fc2.weight"))) > 0);
    }
    // Averages start from the numbers that the weights have, in their own type.
    const auto weights =
        tiny::numbers(tiny::read_dict(Checkpoint::open(out / "model.safetensors")).at("blocks.1.mlp.fc2.weight"));
    const auto averages =
        tiny::numbers(tiny::read_dict(Checkpoint::open(out / "ema.safetensors")).at("blocks.1.mlp.fc2.weight"));
    if (start != BlockStart::plain) CHECK(tiny::distance(weights, averages) < 0.01);
  }
}

TEST_CASE("branches that gates close are not opened by random numbers") {
  Schema s = tiny::schema(small);
  for (auto& p : s.parameters)
    if (p.name.ends_with("attn.qkv.weight")) {
      p.info.purpose = Purpose::closes;
      p.info.stream.gates = {Gates{.chunks = {2}, .branch = "attn"}};
    }
  CHECK(says(message_of<plan_error>(
                 [&] { plan(s, allow_approximate, InsertBlocks{.every = 1, .start = BlockStart::opened}); }),
             "rows of 'blocks.0.attn.qkv.weight' are gates", "plain or random"));
  const auto g = grown(plan(s, allow_approximate, InsertBlocks{.every = 1, .start = BlockStart::plain}));
  CHECK(g.tensor(1, "attn.qkv.weight") == g.old_tensor(0, "attn.qkv.weight"));
  CHECK(g.after([](StateDict&) {}).empty());
}
