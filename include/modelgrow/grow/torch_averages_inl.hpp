// SPDX-License-Identifier: MIT
// The definitions of torch_averages.hpp.
#pragma once
#include <modelgrow/checkpoint/averages.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/grow/torch_averages.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::vector<std::string> torch_average_files(const Checkpoint& in, const StateOptions& options) {
  std::vector<std::string> files;
  if (std::error_code ignored; !std::filesystem::is_directory(in.path(), ignored)) return files;
  for (const auto& f : list_folder(in.path()))
    if (f.role == FileRole::average && has_pickle_ending(f.name) && in.path() / f.name != in.weights_path() &&
        !fits_any(f.name, options.leave_behind))
      files.push_back(f.name);
  return files;
}

/// Throws format_error for averages of tensors that the model does not have.
inline void check_averages_fit(const std::vector<JoinedTensor>& averages, const Checkpoint& in,
                               const std::string& where) {
  for (const auto& t : averages) {
    const auto* weight = in.names().find(t.name());
    if (!weight)
      throw format_error(where + ": it has an average of '" + t.name() +
                         "', which the model does not have: it is of another model");
    if (weight->shape != t.shape())
      throw format_error(where + ": the average of '" + t.name() + "' has shape " + to_string(t.shape()) +
                         ", and the weight " + to_string(weight->shape) + ": it is of another model");
  }
}

}  // namespace detail

MODELGROW_INLINE std::optional<Checkpoint> torch_averages(const Checkpoint& in, const StateOptions& options,
                                                          Unread& unread) {
  const auto read = [&](const std::filesystem::path& path, const std::string& at, const std::string& name) {
    try {
      StateOptions all = options;
      all.frozen.clear();  // averages have these, too
      auto found = read_averages(path, {.at = at, .order = detail::trained_order(in, all)});
      detail::check_averages_fit(found.tensors, in, path.string());
      return std::optional(Checkpoint::of(path, joined_file(path, found.tensors)));
    } catch (const foreign_object_error& e) {
      unread[name] = std::string("its averages were not moved: ") + e.what();
    } catch (const format_error& e) {
      throw format_error(e.what() + detail::or_leave_behind(name));
    }
    return std::optional<Checkpoint>();
  };
  const auto& beside = in.beside_weights();
  if (std::ranges::find(beside, detail::averages_key) != beside.end() &&
      !fits_any(std::string(detail::averages_key), options.leave_behind)) {
    std::string at = in.state_dict();
    at.erase(at.rfind('/') == at.npos ? 0 : at.rfind('/') + 1).append(detail::averages_key);
    return read(in.weights_path(), at, std::string(detail::averages_key));
  }
  const auto files = detail::torch_average_files(in, options);
  if (files.size() > 1)
    throw format_error(in.path().string() + ": it has several files of averages, " + detail::quoted_list(files) +
                       "; leave all but one behind (StateOptions::leave_behind, --leave-behind)");
  return files.empty() ? std::nullopt : read(in.path() / files[0], {}, files[0]);
}

}  // namespace modelgrow::inline v0
