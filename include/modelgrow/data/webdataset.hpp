// SPDX-License-Identifier: MIT
// WebDataset archives: the files of one sample stand next to each other and share the name before the first dot.
// KEY.webp is the clip; KEY.json ("caption", optional "keywords", "group", "subgroup") or KEY.txt names it.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/data/archive.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/webp.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

/// Streams the samples of one archive in file order, holding one at a time. Throws io_error or format_error naming the
/// archive and the member; members of other types are passed over.
class WebDataset {
 public:
  explicit WebDataset(const std::filesystem::path& path) : reader_(path) { more_ = reader_.next(member_); }

  /// The next sample at its stored size; nullopt after the last.
  std::optional<Sample> next() {
    if (!more_) return std::nullopt;
    const std::string key = split_name(member_.name).first;
    std::map<std::string, std::vector<std::uint8_t>> files;
    while (more_ && split_name(member_.name).first == key) {
      const std::string type = split_name(member_.name).second;
      if (!files.emplace(type, std::move(member_.bytes)).second)
        throw format_error(where(key, type) + ": occurs twice; give every sample its own key");
      more_ = reader_.next(member_);
    }
    return make_sample(key, files);
  }

 private:
  using Files = std::map<std::string, std::vector<std::uint8_t>>;

  std::string where(const std::string& key, const std::string& type) const {
    return reader_.path().string() + ", member " + key + "." + type;
  }
  /// Directory and name up to the first dot of the name; the rest without that dot.
  static std::pair<std::string, std::string> split_name(const std::string& name) {
    const auto slash = name.rfind('/');
    const auto dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
    if (dot == std::string::npos) return {name, ""};
    return {name.substr(0, dot), name.substr(dot + 1)};
  }
  Sample make_sample(const std::string& key, const Files& files) const {
    Sample sample;
    sample.key = key;
    if (const auto json = files.find("json"); json != files.end()) {
      read_names(json->second, where(key, "json"), sample);
    } else if (const auto text = files.find("txt"); text != files.end()) {
      sample.caption.assign(text->second.begin(), text->second.end());
    } else {
      throw format_error(where(key, "json") + ": missing caption file; every clip needs a KEY.json or KEY.txt right " +
                         "beside its KEY.webp (pack with tar --sort=name)");
    }
    const auto clip = files.find("webp");
    if (clip == files.end())
      throw format_error(where(key, "webp") + ": missing clip; every caption needs a KEY.webp right beside it (pack " +
                         "with tar --sort=name)");
    sample.clip = decode_webp(clip->second, where(key, "webp"));
    return sample;
  }
  static void read_names(const std::vector<std::uint8_t>& bytes, const std::string& where, Sample& sample) {
    try {
      const auto names = detail::json::parse(bytes.begin(), bytes.end());
      sample.caption = names.at("caption").get<std::string>();
      sample.keywords = names.value("keywords", std::vector<std::string>{});
      sample.group = names.value("group", "");
      sample.subgroup = names.value("subgroup", "");
    } catch (const detail::json::exception& e) {
      throw format_error(where + ": not a caption (" + e.what() +
                         "); write an object with a string \"caption\", optionally \"keywords\" (list of strings), " +
                         "\"group\", \"subgroup\"");
    }
  }

  ArchiveReader reader_;
  ArchiveMember member_;
  bool more_ = false;
};

/// All samples of one archive, resized. Throws as WebDataset does, and format_error when the archive holds none.
inline std::vector<Sample> load_webdataset(const std::filesystem::path& path, ClipSize size = {}) {
  std::vector<Sample> samples;
  WebDataset data(path);
  while (auto sample = data.next()) {
    sample->clip = resize(sample->clip, size);
    samples.push_back(std::move(*sample));
  }
  if (samples.empty()) throw format_error(path.string() + ": holds no samples; pack KEY.webp and KEY.json pairs");
  return samples;
}

}  // namespace modelgrow::inline v0
