// SPDX-License-Identifier: MIT
// Each kind of world: its options, how they are read, and the world.
#pragma once
#include <modelgrow/core/fields.hpp>
#include <modelgrow/data/bouncing_digits.hpp>
#include <modelgrow/detail/fields_json.hpp>
#include <modelgrow/detail/json_members.hpp>

#include "settings.hpp"
#include "world.hpp"

namespace growth {

/// Options of "digits" and "bouncing".
struct DigitsOptions {
  int min_digits = 1, max_digits = 2;
  std::int64_t validation = 256;
  std::string images = "examples/data/digits";

  static void describe(auto& self, auto& v) {
    v("min_digits", self.min_digits, "least digits of a clip");
    v("max_digits", self.max_digits, "most digits of a clip");
    v("validation", self.validation, "clips to validate");
    v("images", self.images, "folder with pictures of digits, as examples/data/digits");
  }
};

WorldChoice choose_digits(const Json& options, const std::filesystem::path& root, const std::string& context);
std::unique_ptr<World> make_digits(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed, mg::Edge edge);
template <mg::Edge edge>
std::unique_ptr<World> make_digits(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed) {
  return make_digits(choice, size, seed, edge);
}

/// Options of "shapes".
struct ShapesOptions {
  int min_objects = 1, max_objects = 3;
  std::int64_t validation = 256;

  static void describe(auto& self, auto& v) {
    v("min_objects", self.min_objects, "least objects of a clip");
    v("max_objects", self.max_objects, "most objects of a clip");
    v("validation", self.validation, "clips to validate");
  }
};

WorldChoice choose_shapes(const Json& options, const std::filesystem::path& root, const std::string& context);
std::unique_ptr<World> make_shapes(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed);

/// {"name": "clips", "archives": ["mine.tar"]}.
WorldChoice choose_clips(const Json& options, const std::filesystem::path& root, const std::string& context);
std::unique_ptr<World> make_clips(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed);

}  // namespace growth
