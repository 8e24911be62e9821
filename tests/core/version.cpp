// SPDX-License-Identifier: MIT
// The version is stated once, in version.hpp, and the CHANGELOG knows it.
#include <modelgrow/version.hpp>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/catch.hpp"

TEST_CASE("the changelog has a section for the version in version.hpp") {
  std::ifstream file(MODELGROW_SOURCE_DIR "/CHANGELOG.md");
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string version = std::to_string(MODELGROW_VERSION_MAJOR) + "." + std::to_string(MODELGROW_VERSION_MINOR) +
                              "." + std::to_string(MODELGROW_VERSION_PATCH);
  CHECK(text.find("## [" + version + "]") != std::string::npos);
}
