// SPDX-License-Identifier: MIT
// What diffusers itself writes (tests/families/tiny, made by make_tiny_names.py): config.json with every key of the
// class, and the names and shapes of a tiny model, so that nobody's reading of the class stands between.
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/families/all.hpp>

#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

struct Saved {
  std::string name, config;
  std::vector<NamedShape> tensors;
};

std::vector<Saved> saved_models() {
  std::vector<Saved> all;
  for (const auto& file : std::filesystem::directory_iterator(MODELGROW_SOURCE_DIR "/tests/families/tiny")) {
    const auto json = detail::parse_json(detail::read_file(file.path()), file.path().string());
    Saved s{.name = file.path().stem(), .config = json["config"].dump(), .tensors = {}};
    REQUIRE(json["dtype"] == "F32");
    for (const auto& [name, extents] : json["names"].items()) {
      Shape shape;
      for (const auto& extent : extents) shape.push_back(extent.get<std::int64_t>());
      s.tensors.push_back(NamedShape{.name = name, .dtype = DType::f32, .shape = shape});
    }
    all.push_back(std::move(s));
  }
  return all;
}

bool claimed(const Saved& s) {
  return std::any_of(known_families().begin(), known_families().end(),
                     [&](const Family& f) { return f.claims(s.config); });
}

}  // namespace

TEST_CASE("What diffusers saves is read as it stands: every tensor, every shape, no contradiction", "[families]") {
  int read = 0;
  for (const auto& s : saved_models()) {
    if (!claimed(s)) continue;  // a class that no family names
    INFO(s.name);
    const Names names(s.tensors, s.name);
    const Schema schema = family_of(names, s.config, s.name).schema(names, s.config, s.name);
    REQUIRE(schema.parameters.size() == s.tensors.size());
    for (const auto& p : schema.parameters) CHECK(p.shape() == names.find(p.name)->shape);
    ++read;
  }
  CHECK(read >= 20);
}

TEST_CASE("What diffusers saves, with another number of blocks in config.json, is refused", "[families]") {
  for (const auto& s : saved_models()) {
    if (!claimed(s)) continue;
    auto config = detail::parse_json(s.config, s.name);
    for (const char* key : {"num_layers", "n_layers"})
      if (config.contains(key)) config[key] = config[key].get<int>() + 1;
    INFO(s.name);
    const Names names(s.tensors, s.name);
    const Family& family = family_of(names, s.config, s.name);
    CHECK_THROWS_AS(family.schema(names, config.dump(), s.name), format_error);
  }
}
