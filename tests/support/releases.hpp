// SPDX-License-Identifier: MIT
// Names and shapes of released checkpoints (tests/families/releases/*.json), expanded without the library's family
// texts and expressions, so that these can be compared with them.
#pragma once
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <modelgrow/core/names.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::testing {

/// One configuration that upstream has released, or a tiny one of the same class.
struct Release {
  std::string family, name;
  std::string config;  // the text of config.json
  std::vector<NamedShape> tensors = {};
  std::set<std::string> buffers = {};                    // of these, those that nobody trains
  std::int64_t count = 0, parameters = 0, elements = 0;  // tensors, trained and all numbers of the upstream class
  bool tiny() const { return name.starts_with("tiny"); }
};

/// A file of releases. A tensor is [key, "size,size", {only_in: indices of releases, blocks: which, buffer: true}].
class ReleaseFile {
 public:
  explicit ReleaseFile(const std::filesystem::path& path)
      : json_(detail::parse_json(detail::read_file(path), path.string())) {}

  std::vector<Release> all() const {
    std::vector<Release> list;
    for (std::size_t i = 0; i < json_["releases"].size(); ++i) list.push_back(one(i));
    return list;
  }

 private:
  using json = detail::json;

  Release one(std::size_t index) const {
    const json& from = json_["releases"][index];
    json config = {{"_class_name", json_["class"]}};
    config.update(from["config"]);
    Release r{.family = json_["family"], .name = from["name"], .config = config.dump(2)};
    r.count = from["tensors"], r.parameters = from["params"], r.elements = from["elements"];
    for (const json& tensor : json_["tensors"]) {
      const json marks = tensor.size() > 2 ? tensor[2] : json::object();
      if (const auto only = marks.find("only_in"); only != marks.end())
        if (std::find(only->begin(), only->end(), index) == only->end()) continue;
      const std::string key = tensor[0], sizes = tensor[1];
      for (const auto& name : names(key, marks.value("blocks", ""), from)) {
        r.tensors.push_back(NamedShape{.name = name, .dtype = DType::bf16, .shape = shape(sizes, from["sizes"])});
        if (marks.contains("buffer")) r.buffers.insert(name);
      }
    }
    return r;
  }
  /// "blocks.{}.norm.weight" for the blocks that have it.
  static std::vector<std::string> names(const std::string& key, const std::string& blocks, const json& release) {
    const auto at = key.find("{}");
    if (at == key.npos) return {key};
    const std::int64_t count = release["blocks"][key.substr(0, at - 1)];
    std::vector<std::string> all;
    for (std::int64_t i = 0; i < count; ++i)
      if (has(blocks, i, count, release["config"]))
        all.push_back(key.substr(0, at) + std::to_string(i) + key.substr(at + 2));
    return all;
  }
  static bool has(const std::string& blocks, std::int64_t i, std::int64_t count, const json& config) {
    if (blocks.empty()) return true;
    if (blocks == "first") return i == 0;
    if (blocks == "last") return i == count - 1;
    if (blocks == "all_but_last") return i < count - 1;
    const bool listed = blocks.starts_with("in:");  // else not_in:
    const json& list = config.at(blocks.substr(blocks.find(':') + 1));
    return (std::find(list.begin(), list.end(), i) != list.end()) == listed;
  }
  static Shape shape(const std::string& sizes, const json& known) {
    Shape s;
    for (std::size_t begin = 0; begin <= sizes.size();) {
      const auto end = std::min(sizes.find(',', begin), sizes.size());
      s.push_back(sum(sizes.substr(begin, end - begin), known));
      begin = end + 1;
    }
    return s;
  }
  /// "heads*head_dim+hidden/3": products and quotients from the left, then sums.
  static std::int64_t sum(const std::string& text, const json& known) {
    std::int64_t total = 0, product = 1;
    char before = '*';
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = std::min(text.find_first_of("*/+", begin), text.size());
      const std::int64_t v = value(text.substr(begin, end - begin), known);
      product = before == '/' ? product / v : product * v;
      before = end < text.size() ? text[end] : '+';
      if (before == '+') total += product, product = 1;
      begin = end + 1;
    }
    return total;
  }
  static std::int64_t value(const std::string& word, const json& known) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), n);
    return error == std::errc() && end == word.data() + word.size() ? n : known.at(word).get<std::int64_t>();
  }

  json json_;
};

/// Every release of every family, or of one.
inline std::vector<Release> releases(const std::string& family = {}) {
  std::vector<std::filesystem::path> files;
  for (const auto& f : std::filesystem::directory_iterator(MODELGROW_SOURCE_DIR "/tests/families/releases"))
    if (f.path().extension() == ".json" && (family.empty() || f.path().stem() == family)) files.push_back(f.path());
  std::sort(files.begin(), files.end());
  std::vector<Release> all;
  for (const auto& path : files)
    for (auto& r : ReleaseFile(path).all()) all.push_back(std::move(r));
  return all;
}

}  // namespace modelgrow::testing
