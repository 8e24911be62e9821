// SPDX-License-Identifier: MIT
// WebDataset archives: the files of one sample stand next to each other and share the name before the first dot.
// KEY.webp is the clip; KEY.json ("caption", optional "keywords", "group", "subgroup") or KEY.txt names it.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/data/archive.hpp>
#include <modelgrow/data/caption_text.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/webp.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

/// Streams the samples of one archive in file order, holding one at a time. Throws io_error or format_error naming the
/// archive and the member. Members of other types are passed over, and so are names that begin with a dot.
class WebDataset {
 public:
  explicit WebDataset(const std::filesystem::path& path) : reader_(path) { advance(); }

  /// The next sample at its stored size; nullopt after the last.
  std::optional<Sample> next() {
    while (more_) {
      const std::string key = split_name(member_.name).first;
      Files files;
      for (; more_ && split_name(member_.name).first == key; advance()) {
        const std::string type = split_name(member_.name).second;
        if (!files.emplace(type, std::move(member_)).second)
          throw format_error(where(key + "." + type) + ": occurs twice; give every sample its own key");
      }
      if (!is_other(key, files)) return make_sample(key, files);
    }
    return std::nullopt;
  }

 private:
  using Files = std::map<std::string, ArchiveMember>;  // of one sample, by type

  void advance() {
    do more_ = reader_.next(member_);
    while (more_ && is_hidden(member_.name));
  }
  std::string where(const std::string& member) const { return reader_.path().string() + ", member " + member; }

  /// What macOS and file managers add: ._a.webp, .DS_Store.
  static bool is_hidden(const std::string& name) { return name.substr(name.rfind('/') + 1).starts_with('.'); }
  /// Directory and name up to the first dot of the name; the rest without that dot, in lower case.
  static std::pair<std::string, std::string> split_name(const std::string& name) {
    const auto slash = name.rfind('/');
    const auto dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
    if (dot == std::string::npos) return {name, ""};
    std::string type = name.substr(dot + 1);
    for (char& c : type)
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return {name.substr(0, dot), type};
  }
  /// Whether nothing in a group of files belongs to a sample. Throws format_error where the key has a dot in it.
  bool is_other(const std::string& key, const Files& files) const {
    const auto has = [&](const std::string& type) { return files.contains(type); };
    const bool clip = has("webp"), caption = has("json") || has("txt");
    for (const auto& [type, member] : files) {
      const auto dot = type.rfind('.');
      if (dot == std::string::npos) continue;
      const std::string stem = type.substr(0, dot + 1), last = type.substr(dot + 1);
      const bool part = last == "webp" || last == "json" || last == "txt";
      const bool pair = has(stem + "webp") && (has(stem + "json") || has(stem + "txt"));
      if (part && (pair || !clip || !caption))
        throw format_error(where(member.name) + ": the key ends at the first dot, so this is the file '" + type +
                           "' of the sample '" + key + "', which has " + list(files) +
                           "; rename the files so that keys have no dot");
    }
    return !clip && !caption;
  }
  static std::string list(const Files& files) {
    std::string text;
    std::size_t count = 0;
    for (const auto& [type, member] : files)
      if (++count <= 6) text += (count > 1 ? ", " : "") + member.name;
    return text + (count > 6 ? ", .." : "");
  }

  Sample make_sample(const std::string& key, const Files& files) const {
    Sample sample;
    sample.key = key;
    if (const auto json = files.find("json"); json != files.end()) {
      read_names(content(json->second), where(json->second.name), sample);
    } else if (const auto text = files.find("txt"); text != files.end()) {
      sample.caption = caption_text(content(text->second), where(text->second.name));
    } else {
      throw format_error(where(key + ".json") + ": missing caption file (there is only " + list(files) +
                         "); every clip needs a KEY.json or KEY.txt right beside its KEY.webp (pack with tar " +
                         "--sort=name)");
    }
    const auto clip = files.find("webp");
    if (clip == files.end())
      throw format_error(where(key + ".webp") + ": missing clip (there is only " + list(files) +
                         "); every caption needs a KEY.webp right beside it (pack with tar --sort=name; leave out " +
                         "what is no caption)");
    content(clip->second);
    sample.clip = decode_webp(clip->second.bytes, where(clip->second.name));
    return sample;
  }
  /// Throws format_error for a link, whose content may have gone by already.
  std::string_view content(const ArchiveMember& member) const {
    if (!member.link.empty())
      throw format_error(where(member.name) + ": is a link to '" + member.link +
                         "', and archives are read from front to back; pack the file itself: tar --sort=name " +
                         "--dereference --hard-dereference");
    return {reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()};
  }
  static void read_names(std::string_view bytes, const std::string& where, Sample& sample) {
    const std::string text = caption_text(bytes, where);
    try {
      const auto names = detail::json::parse(text);
      sample.caption = caption_text(names.at("caption").get<std::string>(), where);
      for (const auto& word : names.value("keywords", std::vector<std::string>{}))
        sample.keywords.push_back(caption_text(word, where));
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
