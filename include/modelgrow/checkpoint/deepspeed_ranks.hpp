// SPDX-License-Identifier: MIT
// The files of ZeRO, one for each rank: flat weights and moments, where parameters lie in them, and whether all are of
// one save.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/deepspeed_files.hpp>

namespace modelgrow::inline v0::detail {

/// Numbers that lie in a row in one of the flat tensors of a rank.
struct Fragment {
  std::size_t rank = 0, flat = 0;
  std::int64_t start = 0, size = 0;
};

/// What one rank holds.
struct DeepSpeedRank {
  std::filesystem::path path;
  StoredOptimizer state;  // a parameter for each flat tensor
  std::shared_ptr<const MappedTensors> weights;
  std::vector<std::vector<std::pair<std::string, Fragment>>> slices;  // by group, where the file says so
};

/// All ranks of a save.
class DeepSpeedRanks {
 public:
  DeepSpeedRanks() = default;
  /// Throws io_error and format_error.
  explicit DeepSpeedRanks(const DeepSpeedFiles& files) {
    if (files.optimizers.empty())
      fail(files.folder, "it has no optimizer of DeepSpeed (zero_pp_rank_0_mp_rank_00_optim_states.pt)");
    for (const auto& [rank, path] : files.optimizers) read_rank(files, rank, path);
    compare();
  }
  [[noreturn]] static void fail(const std::filesystem::path& path, const std::string& what) {
    throw format_error(path.string() + ": " + what);
  }

  int stage = 0;
  std::vector<DeepSpeedRank> all;

 private:
  void read_rank(const DeepSpeedFiles& files, std::size_t rank, const std::filesystem::path& path) {
    const auto file = TorchFile::open(path);
    const auto* state = value_behind(file.root(), {"optimizer_state_dict"});
    if (!state || !state->get<PickleDict>()) fail(path, "there is no 'optimizer_state_dict'; it is no file of ZeRO");
    const auto* of_zero = value_behind(*state, {"zero_stage"});
    const auto* object = of_zero ? of_zero->get<PickleObject>() : nullptr;
    const auto* number =
        object && object->arguments.values.size() == 1 ? object->arguments.values[0].get<std::int64_t>() : nullptr;
    const int found = number ? int(*number) : 0;
    if (rank > 0 && found != stage)
      fail(path, "it is of stage " + std::to_string(found) + ", the file of rank 0 of stage " + std::to_string(stage) +
                     "; fetch the files of one save");
    stage = found;
    const auto* count = value_behind(*state, {"partition_count"});
    if (const auto* counts = sequence(count); counts && !counts->empty()) count = &(*counts)[0];
    if (const auto* n = count ? count->get<std::int64_t>() : nullptr) {
      DeepSpeedFiles::complete(files.optimizers, std::size_t(std::clamp<std::int64_t>(*n, 1, 1 << 16)), "optimizer");
      if (files.optimizers.size() != std::size_t(*n))
        fail(files.folder, "it has files of " + std::to_string(files.optimizers.size()) + " ranks, and '" +
                               path.filename().string() + "' was written by one of " + std::to_string(*n) +
                               "; remove those of the other run");
    }
    const char* base = found == 3 ? "optimizer_state_dict" : "base_optimizer_state";
    const auto* inner = value_behind(*state, {base});
    if (!inner || !inner->get<PickleDict>() || !is_optimizer_state(*inner->get<PickleDict>()))
      fail(path, std::string("'") + base +
                     "' is no state of an optimizer; save without load_from_fp32_weights or "
                     "elastic checkpoints, or convert the folder to the universal form");
    const char* flats = found == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups";
    auto& one =
        all.emplace_back(DeepSpeedRank{.path = path,
                                       .state = stored_optimizer(file, *inner->get<PickleDict>(), path.string()),
                                       .weights = flat_tensors(file, value_behind(*state, {flats}), flats),
                                       .slices = {}});
    if (one.state.parameters.size() != one.weights->tensors().size())
      fail(path, "it has " + std::to_string(one.weights->tensors().size()) + " flat groups of weights and states of " +
                     std::to_string(one.state.parameters.size()) + "; this form cannot be read");
    if (found != 3) read_slices(one, value_behind(*state, {"param_slice_mappings"}), rank);
  }

  static void read_slices(DeepSpeedRank& one, const PickleValue* mappings, std::size_t rank) {
    const auto* groups = sequence(mappings);
    if (!groups || groups->size() != one.weights->tensors().size())
      fail(one.path,
           "it does not say where parameters lie (param_slice_mappings): an old DeepSpeed wrote it; convert "
           "the folder to the universal form");
    for (std::size_t g = 0; g < groups->size(); ++g) {
      auto& slices = one.slices.emplace_back();
      const auto* dict = (*groups)[g].get<PickleDict>();
      for (std::size_t i = 0; dict && i < dict->items.size(); ++i) {
        const auto& item = dict->items[i];
        const auto* name = item.key.get<std::string>();
        const auto* start = attribute(item.value, "fragment_address", "start");
        const auto* size = attribute(item.value, "fragment_address", "numel");
        if (!name || !start || !start->get<std::int64_t>() || !size || !size->get<std::int64_t>())
          fail(one.path, "param_slice_mappings has a parameter without a place");
        slices.emplace_back(
            *name,
            Fragment{
                .rank = rank, .flat = g, .start = *start->get<std::int64_t>(), .size = *size->get<std::int64_t>()});
      }
    }
  }

  /// Counters must be the same in all ranks, and so must be the groups.
  void compare() const {
    for (std::size_t r = 1; r < all.size(); ++r) {
      const auto &first = all[0].state, &other = all[r].state;
      if (other.parameters.size() != first.parameters.size() || other.groups.size() != first.groups.size())
        fail(all[r].path, "it has other groups than the file of rank 0; fetch the files of one save");
      for (std::size_t p = 0; p < first.parameters.size(); ++p)
        for (const auto& entry : first.parameters[p].entries) {
          const auto* same = other.parameters[p].find(entry.name);
          if (!same) fail(all[r].path, "group " + std::to_string(p) + " has no '" + entry.name + "', which rank 0 has");
          if (entry.tensor.bytes() != same->tensor.bytes() && numel(entry.tensor.shape()) == 1)
            fail(all[r].path, "'" + entry.name + "' has another type than in rank 0");
          if (numel(entry.tensor.shape()) != 1 || entry.tensor.shape().rank() != 0) continue;
          std::vector<std::byte> here(std::size_t(same->tensor.bytes())), there(std::size_t(entry.tensor.bytes()));
          same->tensor.read(0, here);
          entry.tensor.read(0, there);
          if (here != there)
            fail(all[r].path, "'" + entry.name + "' of group " + std::to_string(p) +
                                  " is not that of rank 0: the files are of different steps; fetch those of one save");
        }
    }
  }
};

}  // namespace modelgrow::inline v0::detail
