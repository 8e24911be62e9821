// SPDX-License-Identifier: MIT
// One description serves every visitor: paths, counts, schema, with and without memory.
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/core/schema.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

template <class T, class D>
struct Block {
  Parameter<T, D> weight, bias;
  explicit Block(Space hidden)
      : weight(ParamInfo{.axes = {out(hidden), in(hidden)}, .purpose = Purpose::closes}),
        bias(ParamInfo{.axes = {out(hidden)}, .purpose = Purpose::closes}) {}
  static void describe(auto& self, auto& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
};

template <class T, class D>
struct Model {
  static constexpr const char* family = "toy";
  Space hidden{"hidden", 4};
  Parameter<T, D> table{ParamInfo{.axes = {fixed(10), each(hidden)}, .purpose = Purpose::buffer}};
  std::vector<Block<T, D>> blocks{Block<T, D>(hidden), Block<T, D>(hidden)};
  std::optional<Block<T, D>> extra;
  static void describe(auto& self, auto& v) {
    v.space(self.hidden, SpaceRules{.copies = Copies::uniform, .because = "norm"});
    v("table", self.table);
    v.stack("blocks", self.blocks, StackRules{.first_insertion = 1, .because = "block 0 adds positions"});
    v.child("extra", self.extra);
  }
};

}  // namespace

TEST_CASE("paths in the order of the description") {
  Model<float, Cpu> m;
  std::vector<std::string> paths;
  const auto collect = [&](const std::string& path, auto&) { paths.push_back(path); };
  for_each_parameter(m, collect);
  CHECK(paths ==
        std::vector<std::string>{"table", "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"});
  CHECK(count_parameters(m) == 40);  // the buffer is not trained
  m.extra.emplace(m.hidden);
  paths.clear();
  for_each_parameter(std::as_const(m), collect);
  CHECK(paths.back() == "extra.bias");
  CHECK(count_parameters(m) == 60);
}

TEST_CASE("the schema of a model without memory") {
  const Schema s = schema(Model<bf16, Meta>());
  CHECK(s.family == "toy");
  CHECK(s.parameters.size() == 5);
  CHECK(s.trained_elements() == 40);
  REQUIRE(s.find("blocks.1.weight"));
  CHECK(s.find("blocks.1.weight")->dtype == DType::bf16);
  CHECK(s.find("blocks.1.weight")->shape() == Shape{4, 4});
  CHECK(s.find("blocks.1.weight")->info.purpose == Purpose::closes);
  CHECK(s.find("blocks.2.weight") == nullptr);
  CHECK(s.stack("blocks").count == 2);
  CHECK(s.stack("blocks").rules.first_insertion == 1);
  CHECK(s.space("hidden").rules.copies == Copies::uniform);
  CHECK(says(message_of<plan_error>([&] { s.space("ffn"); }), "no space named 'ffn'; its spaces are: hidden (4)"));
  CHECK(says(message_of<plan_error>([&] { s.stack("layers"); }), "no stack named 'layers'; its stacks are: blocks"));
}

TEST_CASE("trained, frozen, buffers") {
  Model<float, Cpu> m;
  CHECK_FALSE(m.table.trained());
  CHECK(m.blocks[0].bias.trained());
  m.blocks[0].bias.state = Parameter<float, Cpu>::State::frozen;
  CHECK_FALSE(m.blocks[0].bias.trained());
  CHECK_FALSE(m.blocks[0].bias.gradient.defined());
}

TEST_CASE("parallel_for visits every index once, in chunks of the grain") {
  for (std::int64_t n : {0, 1, 7, 64, 65, 1000})
    for (std::int64_t grain : {1, 7, 64, 5000}) {
      std::vector<int> visits(std::size_t(n), 0);
      parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = begin; i < end; ++i) ++visits[std::size_t(i)];
        if (end - begin > std::max<std::int64_t>(grain, 1)) visits[0] += 100;
      });
      CHECK(visits == std::vector<int>(std::size_t(n), 1));
    }
}
