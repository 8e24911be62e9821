// SPDX-License-Identifier: MIT
// The families that checkpoints are recognised as: a file's names decide, its config.json gives what shapes cannot.
#pragma once
#include <array>
#include <string>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/family.hpp>
#include <modelgrow/models/stdit.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Gives every parameter the type it has in the file; throws format_error where file and model disagree.
inline void adopt(Schema& s, const Names& names, const std::string& where) {
  std::string missing, wrong;
  for (auto& p : s.parameters) {
    const NamedShape* found = names.find(p.name);
    if (!found) {
      missing += "\n  missing " + p.name + " " + to_string(p.shape());
    } else if (found->shape != p.shape()) {
      wrong += "\n  " + p.name + ": the file has " + to_string(found->shape) + ", the configuration says " +
               to_string(p.shape());
    } else {
      p.dtype = found->dtype;
    }
  }
  if (!missing.empty() || !wrong.empty())
    throw format_error(where + ": the tensors do not fit a model of family '" + s.family + "' with this config.json" +
                       missing + wrong);
}

inline bool is_stdit(const Names& names) {
  return names.contains("t_block.1.weight") && names.contains("blocks.0.attn_temp.qkv.weight") &&
         names.contains("blocks.0.scale_shift_table") && names.contains("y_embedder.y_proj.fc1.weight");
}
inline Schema stdit_schema(const Names& names, std::string_view config, const std::string& where) {
  if (config.empty())
    throw format_error(where +
                       ": there is no config.json, and the number of heads cannot be read from shapes; put "
                       "{\"num_heads\": ..} (and what differs from STDiT-XL/2) beside the weights");
  StditConfig c;
  read_config(c, config, where + "/config.json");
  Schema s = schema(Stdit<float, Meta>(c));
  adopt(s, names, where);
  return s;
}

}  // namespace detail

/// Every family the library knows; the first that recognises a checkpoint is taken.
inline constexpr std::array families{
    Family{.name = "stdit", .recognise = &detail::is_stdit, .schema = &detail::stdit_schema}};

/// The schema of a checkpoint of a known family. Throws format_error that names the families there are.
inline Schema schema(const Checkpoint& in) {
  std::string known;
  for (const auto& family : families) {
    if (family.recognise(in.names())) return family.schema(in.names(), in.config(), in.path().string());
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  }
  throw format_error(in.path().string() + ": the names of its tensors (such as '" +
                     (in.names().size() ? in.names()[0].name : std::string("none at all")) +
                     "') belong to no known family; known: " + known +
                     ". Describe your family as examples/04_new_family.cpp does, or open the folder of the video " +
                     "transformer itself");
}

}  // namespace modelgrow::inline v0
