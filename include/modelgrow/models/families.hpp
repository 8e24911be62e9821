// SPDX-License-Identifier: MIT
// The families that checkpoints are recognised as: a file's names decide, its config.json gives what shapes cannot.
#pragma once
#include <string>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/families/all.hpp>
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
    } else if (found->known && found->shape != p.shape()) {
      wrong += "\n  " + p.name + ": the file has " + to_string(found->shape) + ", the configuration says " +
               to_string(p.shape());
    } else if (found->known) {
      p.dtype = found->dtype;
    }
  }
  for (const auto& stack : s.stacks)  // a block that the configuration does not count would stay as it is
    if (const auto n = names.blocks(stack.name); n > stack.count)
      throw format_error(where + "/config.json: the depth of '" + stack.name + "' is " + std::to_string(stack.count) +
                         ", but the file has " + std::to_string(n) + " blocks of it, up to '" + stack.name + "." +
                         std::to_string(n - 1) + "'; the two belong to different models: mend config.json");
  if (const auto cause = missing.empty() ? std::string() : stranger(names, known_families()); !cause.empty())
    throw format_error(where + ": " + cause);
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
  s.reader = &stdit_schema;
  return s;
}

}  // namespace detail

/// The schema of a checkpoint of a known family: an STDiT with the layers that growth can add, or one of the families
/// that are data. Throws format_error that names the families there are.
inline Schema schema(const Checkpoint& in) {
  const std::string where = in.path().string();
  if (detail::is_stdit(in.names())) return detail::stdit_schema(in.names(), in.config(), where);
  return family_of(in.names(), in.config(), where).schema(in);
}

}  // namespace modelgrow::inline v0
