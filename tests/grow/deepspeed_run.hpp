// SPDX-License-Identifier: MIT
// A run of the small network as DeepSpeed would have saved it, laid out number by number, without the code that it is
// to prove.
#pragma once
#include <fstream>

#include <modelgrow/checkpoint/torch_writer.hpp>

#include "torch_run.hpp"

namespace deepspeed_run {
using namespace modelgrow;
using Floats = std::vector<float>;
using Groups = std::vector<std::vector<std::string>>;  // names of parameters

/// A file of torch whose tensors are added to the tree while it is made.
class Saved {
 public:
  PickleValue tensor(Floats values, const Shape& shape) {
    held_.push_back(std::move(values));
    return torch_tensor(std::to_string(held_.size() - 1), DType::f32, shape);
  }
  PickleValue row(const Floats& values) { return tensor(values, {std::int64_t(values.size())}); }
  void write(const std::filesystem::path& path, const PickleValue& root) const {
    TorchWriter writer(path, root);
    for (const auto& storage : writer.storages())
      writer.write(std::as_bytes(std::span(held_[std::size_t(std::stoi(storage->name()))])));
    writer.commit();
  }

 private:
  std::vector<Floats> held_;
};

inline PickleDict dict(std::initializer_list<std::pair<const char*, PickleValue>> items) {
  PickleDict d;
  for (const auto& [key, value] : items) d.set(key, value);
  return d;
}
inline PickleValue size(const Shape& shape) {
  PickleTuple extents;
  for (const auto n : shape) extents.values.emplace_back(n);
  return PickleObject{.type = {"torch", "Size"}, .arguments = PickleTuple{{PickleValue(std::move(extents))}}};
}

/// Numbers of a state of the small network, as floats.
struct Run {
  std::map<std::string, Shape> shapes;
  std::map<std::string, Floats> weights, m, v;
  float steps = 0;

  explicit Run(const run::Trained& t) : steps(float(run::Trained::steps)) {
    const auto floats = [](const HostTensor& from) {
      Floats all;
      for (std::size_t i = 0; i < from.bytes.size(); i += sizeof(double)) {
        double x = 0;
        std::memcpy(&x, from.bytes.data() + i, sizeof x);
        all.push_back(float(x));
      }
      return all;
    };
    for (const auto& [name, tensor] : tiny::to_dict<double>(t.run.schema, t.run.w)) {
      shapes[name] = tensor.shape;
      weights[name] = floats(tensor);
      m[name] = floats(t.state.at("adamw.m." + name));
      v[name] = floats(t.state.at("adamw.v." + name));
    }
  }

  /// Stages 1 and 2: the flat tensors of a group, one for each rank.
  static std::vector<Floats> cut_row(const std::map<std::string, Floats>& of, const std::vector<std::string>& names,
                                     std::size_t ranks) {
    Floats row;
    for (const auto& name : names) row.insert(row.end(), of.at(name).begin(), of.at(name).end());
    while (row.size() % (2 * ranks)) row.push_back(0);
    std::vector<Floats> pieces;
    for (std::size_t r = 0; r < ranks; ++r)
      pieces.emplace_back(row.begin() + std::ptrdiff_t(r * row.size() / ranks),
                          row.begin() + std::ptrdiff_t((r + 1) * row.size() / ranks));
    return pieces;
  }
  /// Stage 3.
  static std::vector<Floats> cut_each(const std::map<std::string, Floats>& of, const std::vector<std::string>& names,
                                      std::size_t ranks) {
    std::vector<Floats> pieces(ranks);
    for (const auto& name : names) {
      Floats whole = of.at(name);
      while (whole.size() % ranks) whole.push_back(0);
      for (std::size_t i = 0; i < whole.size(); ++i) pieces[i / (whole.size() / ranks)].push_back(whole[i]);
    }
    return pieces;
  }

  void write(const std::filesystem::path& folder, int stage, std::size_t ranks, const Groups& groups) const {
    const auto step = folder / "global_step20";
    std::filesystem::create_directories(step);
    std::ofstream(folder / "latest") << "global_step20";
    for (std::size_t r = 0; r < (stage == 3 ? ranks : 1); ++r) write_model(step, stage, r, groups);
    for (std::size_t r = 0; r < ranks; ++r) write_rank(step, stage, r, ranks, groups);
  }

 private:
  void write_model(const std::filesystem::path& step, int stage, std::size_t rank, const Groups& groups) const {
    Saved file;
    PickleDict module{.ordered = true};
    for (const auto& [name, shape] : shapes)
      module.set(name, stage == 3 ? file.tensor({}, {0}) : file.tensor(weights.at(name), shape));
    PickleList sizes;
    for (const auto& names : groups) {
      PickleDict of{.ordered = true};
      for (const auto& name : names) of.set(name, size(shapes.at(name)));
      sizes.values.emplace_back(std::move(of));
    }
    const auto name = (stage == 3 ? "zero_pp_rank_" + std::to_string(rank) + "_" : "") + "mp_rank_00_model_states.pt";
    file.write(step / name, dict({{"module", std::move(module)},
                                  {"buffer_names", PickleList{}},
                                  {"param_shapes", std::move(sizes)},
                                  {"frozen_param_shapes", PickleValue()},
                                  {"shared_params", PickleDict{}},
                                  {"global_steps", PickleValue(20)},
                                  {"mine", PickleValue("kept")}}));
  }

  void write_rank(const std::filesystem::path& step, int stage, std::size_t rank, std::size_t ranks,
                  const Groups& groups) const {
    Saved file;
    PickleDict state;
    PickleList options, flats, counts, paddings, places;
    const auto pieces = [&](const std::map<std::string, Floats>& of, const std::vector<std::string>& names) {
      return (stage == 3 ? cut_each(of, names, ranks) : cut_row(of, names, ranks))[rank];
    };
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto w = pieces(weights, groups[g]);
      std::size_t all = 0;
      for (const auto& name : groups[g]) all += weights.at(name).size();
      const std::size_t padding = stage < 3 && rank == ranks - 1 ? w.size() * ranks - all : 0;
      flats.values.push_back(file.row({w.begin(), w.end() - std::ptrdiff_t(std::min(padding, w.size()))}));
      state.set(std::int64_t(g), dict({{"step", file.tensor({steps}, {})},
                                       {"exp_avg", file.row(pieces(m, groups[g]))},
                                       {"exp_avg_sq", file.row(pieces(v, groups[g]))}}));
      auto of = torch_run::options_of(Optimizer::adamw);
      of.set("weight_decay", PickleValue(g == 0 ? 0.1 : 0.0));
      of.set("params", PickleList{{PickleValue(std::int64_t(g))}});
      options.values.emplace_back(std::move(of));
      counts.values.emplace_back(std::int64_t(ranks));
      paddings.values.emplace_back(std::int64_t(padding));
      places.values.emplace_back(places_of(groups[g], rank * w.size(), (rank + 1) * w.size()));
    }
    PickleDict base;
    base.set("state", std::move(state));
    base.set("param_groups", std::move(options));
    PickleDict zero;
    zero.set("zero_stage", PickleObject{.type = {"deepspeed.runtime.zero.config", "ZeroStageEnum"},
                                        .arguments = PickleTuple{{PickleValue(stage)}}});
    zero.set(stage == 3 ? "optimizer_state_dict" : "base_optimizer_state", std::move(base));
    zero.set(stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups", std::move(flats));
    zero.set("partition_count", stage == 3 ? PickleValue(std::int64_t(ranks)) : PickleValue(std::move(counts)));
    if (stage < 3) zero.set("group_paddings", std::move(paddings));
    if (stage < 3) zero.set("param_slice_mappings", std::move(places));
    file.write(step / ("zero_pp_rank_" + std::to_string(rank) + "_mp_rank_00_optim_states.pt"),
               dict({{"optimizer_state_dict", std::move(zero)}, {"ds_version", PickleValue("0.19.8")}}));
  }

  PickleDict places_of(const std::vector<std::string>& names, std::size_t from, std::size_t to) const {
    PickleDict places{.ordered = true};
    std::size_t at = 0;
    for (const auto& name : names) {
      const std::size_t n = weights.at(name).size(), begin = std::max(at, from), end = std::min(at + n, to);
      if (begin < end)
        places.set(name, PickleObject{.type = {"deepspeed.utils.tensor_fragment", "fragment_address"},
                                      .allocated = true,
                                      .state = dict({{"numel", PickleValue(std::int64_t(end - begin))},
                                                     {"start", PickleValue(std::int64_t(begin - from))}})});
      at += n;
    }
    return places;
  }
};

}  // namespace deepspeed_run
