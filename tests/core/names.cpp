// SPDX-License-Identifier: MIT
// What a family asks a list of names.
#include <modelgrow/core/names.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

Names names(std::vector<std::string> list) {
  std::vector<NamedShape> entries;
  for (auto& n : list) entries.push_back(NamedShape{.name = n, .dtype = DType::f32, .shape = {3, 5}});
  return Names(std::move(entries), "here");
}

}  // namespace

TEST_CASE("lookup keeps the order of the file") {
  const Names n = names({"b", "a", "c.weight"});
  CHECK(n.size() == 3);
  CHECK(n[0].name == "b");
  CHECK(n.begin()->name == "b");
  CHECK(n.contains("a"));
  CHECK_FALSE(n.contains("c"));
  CHECK(n.contains_prefix("c."));
  CHECK_FALSE(n.contains_prefix("d"));
  CHECK(n.find("a") == &n[1]);
  CHECK(n.find("") == nullptr);
  CHECK(Names().find("a") == nullptr);
  CHECK(Names().size() == 0);
  CHECK(says(message_of<format_error>([] { names({"x", "y", "x"}); }), "here: the name 'x' occurs twice"));
}

TEST_CASE("dimensions count from both ends") {
  const Names n = names({"w"});
  CHECK(n.dim("w", 0) == 3);
  CHECK(n.dim("w", 1) == 5);
  CHECK(n.dim("w", -1) == 5);
  CHECK(n.dim("w", -2) == 3);
  CHECK(says(message_of<format_error>([&] { n.dim("w", 2); }), "here: tensor 'w' has shape [3, 5] and no axis 2"));
  CHECK_THROWS_AS(n.dim("w", -3), format_error);
  CHECK(says(message_of<format_error>([&] { n.dim("v", 0); }),
             "here: there is no tensor 'v'; the nearest names are 'w'"));
}

TEST_CASE("blocks are counted, and a missing one is noticed") {
  std::vector<std::string> list{"x_embedder.weight", "blocks_temp.0.w", "blocks.scale", "blocks.norm.weight",
                                "other.7.w"};
  for (int i = 0; i < 12; ++i) list.push_back("blocks." + std::to_string(i) + ".attn.weight");
  CHECK(names(list).blocks("blocks") == 12);
  CHECK(names(list).blocks("blocks_temp") == 1);
  CHECK(names(list).blocks("nothing") == 0);
  CHECK(says(message_of<format_error>([&] { names(list).blocks("other"); }), "no 'other.0.': a block is missing"));
  list.push_back("blocks.13.attn.weight");
  CHECK(says(message_of<format_error>([&] { names(list).blocks("blocks"); }),
             "'blocks.13.attn.weight' but no 'blocks.12.'"));
}

TEST_CASE("nearest names by edit distance") {
  CHECK(detail::edit_distance("", "") == 0);
  CHECK(detail::edit_distance("", "abc") == 3);
  CHECK(detail::edit_distance("kitten", "sitting") == 3);
  CHECK(detail::edit_distance("flaw", "lawn") == 2);
  const std::vector<std::string> known{"hidden", "heads", "ffn", "text"};
  CHECK(nearest_names("head", known, 2) == "; the nearest names are 'heads', 'text'");
  CHECK(nearest_names("x", std::vector<std::string>{}) == "");
}
