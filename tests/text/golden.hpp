// SPDX-License-Identifier: MIT
// The texts of tests/golden/tokenizers and the ids that upstream tokenizers give them.
#pragma once
#include <filesystem>

#include <modelgrow/detail/json.hpp>
#include <modelgrow/text/tokenizer.hpp>
#include <tests/support/raw_files.hpp>

namespace modelgrow::testing {

inline const std::filesystem::path tokenizers = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/tokenizers";

/// Checks that a tokenizer gives the ids of `name` in expected.json.
inline void check_golden(const Tokenizer& tokenizer, const std::string& name) {
  const auto golden = detail::parse_json(get(tokenizers / "expected.json"), "expected.json");
  const auto& texts = golden["texts"];
  const auto& expected = golden[name];
  REQUIRE(texts.size() > 200);
  REQUIRE(texts.size() == expected.size());
  std::string different;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (tokenizer.encode(texts[i].get<std::string>()).ids != expected[i].get<std::vector<std::int32_t>>())
      different += std::to_string(i) + ": " + texts[i].dump() + "\n";
  CHECK(different == "");
}

/// The texts by themselves.
inline std::vector<std::string> golden_texts() {
  return detail::parse_json(get(tokenizers / "expected.json"), "expected.json")["texts"]
      .get<std::vector<std::string>>();
}

/// A golden tokenizer.json with one change, written as "changed.json" into the scratch directory.
template <class Change>
std::filesystem::path changed(const Scratch& scratch, const std::string& name, Change change) {
  auto root = detail::parse_json(get(tokenizers / name), name);
  change(root);
  return put(scratch / "changed.json", root.dump());
}

}  // namespace modelgrow::testing
