// SPDX-License-Identifier: MIT
// What a plan grows in a folder: its weights, and all that is of the same model beside them: variants, averages, an
// averaged model in a folder of its own, optimizer state of this library and of torch.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/deepspeed_step.hpp>
#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/grow/torch_averages.hpp>
#include <modelgrow/grow/torch_states.hpp>

namespace modelgrow::inline v0 {

/// A set of tensors that grows, and the name that it gets in the grown folder.
struct Part {
  enum class Kind { weights, variant, averages, averaged_model, optimizer };
  Kind kind = Kind::weights;
  std::string name;  // "model.safetensors" of a file or its shards, "transformer_ema" of a folder
  Checkpoint in;
  std::shared_ptr<const StoredOptimizer> torch = {};  // what `in` is read from: it is written back as it came
};

namespace detail {

/// "model.safetensors" for a file or an index of that name, "model.ema.safetensors" for those of a variant; the same
/// for a torch file "model.pt". "model.safetensors", too, for "pytorch_model.bin", which loaders know by that name, and
/// for torch files whose names would make averages or a variant of them ("ema.pt", "model.step100.pt").
inline std::string weights_name(const Checkpoint& c) {
  const auto f = classify(c.weights_path().filename().string());
  if (f.role == FileRole::pickle || is_torch_file(c.weights_path())) {
    const std::string stem = f.index ? f.stem : c.weights_path().stem().string();
    const std::string name = stem + ".safetensors";
    return stem == "pytorch_model" || classify(name).role != FileRole::weights ? "model.safetensors" : name;
  }
  if (!f.index) return f.name;
  return f.stem + (f.variant.empty() ? "" : "." + f.variant) + ".safetensors";
}

/// A folder that holds tensors of the same names and shapes; nothing where it holds others, or cannot be opened.
inline std::optional<Checkpoint> same_model(const std::filesystem::path& folder, const Checkpoint& as) try {
  auto c = Checkpoint::open(folder);
  if (c.names().size() != as.names().size()) return std::nullopt;
  for (const auto& t : c.names())
    if (const auto* same = as.names().find(t.name); !same || same->shape != t.shape) return std::nullopt;
  return c;
} catch (const error&) {
  return std::nullopt;
}

}  // namespace detail

namespace detail {

/// The parts of a distributed checkpoint, by the keys that lead to them.
inline std::vector<Part> dcp_parts(const Checkpoint& in, const StateOptions& options, Unread& unread) {
  using Kind = Part::Kind;
  const auto folder = DcpFolder::open(in.store());
  const auto contents = dcp_contents(folder, in.state_dict());
  const auto opened = [&](const std::string& at, const std::vector<JoinedTensor>& tensors) {
    return Checkpoint::of(folder.metadata(at), joined_file(folder.metadata(at), tensors));
  };
  std::vector<Part> parts{Part{.kind = Kind::weights, .name = contents.weights, .in = in}};
  for (const auto& at : contents.averages)
    if (!fits_any(at, options.leave_behind))
      parts.push_back(Part{.kind = Kind::averages, .name = at, .in = opened(at, folder.tensors(at))});
  for (auto& [at, state] : dcp_states(folder, contents, in, options, unread)) {
    auto tensors = opened(at, state.tensors());
    parts.push_back(Part{.kind = Kind::optimizer,
                         .name = at,
                         .in = std::move(tensors),
                         .torch = std::make_shared<const StoredOptimizer>(std::move(state))});
  }
  return parts;
}

/// The parts of a run of DeepSpeed.
inline std::vector<Part> deepspeed_parts(const Checkpoint& in, const StateOptions& options) {
  auto [file, state] = deepspeed_state(in, options);
  auto tensors = Checkpoint::of(in.weights_path(), joined_file(in.weights_path(), state.tensors()));
  return {Part{.kind = Part::Kind::weights, .name = "weights", .in = in},
          Part{.kind = Part::Kind::optimizer,
               .name = std::move(file),
               .in = std::move(tensors),
               .torch = std::make_shared<const StoredOptimizer>(std::move(state))}};
}

}  // namespace detail

/// Whether a checkpoint is distributed (torch.distributed.checkpoint), in one folder or two, or a run of DeepSpeed.
inline bool is_distributed(const Checkpoint& in) { return in.weights_path().filename() == DcpFolder::metadata_file; }
inline bool is_deepspeed(const Checkpoint& in) { return in.weights_path().filename() == deepspeed_latest; }
/// Whether one store holds all of a checkpoint, and is written as one.
inline bool is_one_store(const Checkpoint& in) { return is_distributed(in) || is_deepspeed(in); }

namespace detail {
/// The state of an optimizer in such a store.
inline StoredOptimizer state_in_store(const Checkpoint& store, const std::string& name) {
  return is_deepspeed(store) ? read_deepspeed(store.path()).optimizer
                             : dcp_optimizer(DcpFolder::open(store.path()), name);
}
}  // namespace detail

/// The parts of a checkpoint, its weights first; of a single file these and averages in it. An averaged model may lie
/// in the folder
/// ("ema", "transformer_ema") or, unless that is a pipeline, beside it. Throws io_error and format_error for files that
/// cannot be read, and what torch_states() throws. `unread` gets what it could not read.
inline std::vector<Part> parts_of(const Checkpoint& in, const StateOptions& options = {}, Unread* unread = nullptr) {
  using Kind = Part::Kind;
  Unread nobody_asks;
  if (is_distributed(in)) return detail::dcp_parts(in, options, unread ? *unread : nobody_asks);
  if (is_deepspeed(in)) return detail::deepspeed_parts(in, options);
  std::vector<Part> parts{Part{.kind = Kind::weights, .name = detail::weights_name(in), .in = in}};
  const auto add = [&](Kind kind, std::string name, Checkpoint c) {
    if (std::none_of(parts.begin(), parts.end(), [&](const Part& p) { return p.name == name; }))
      parts.push_back(Part{.kind = kind, .name = std::move(name), .in = std::move(c)});
  };
  if (!in.has_ema())
    if (auto c = torch_averages(in, options, unread ? *unread : nobody_asks))
      add(Kind::averages, std::string(Checkpoint::ema_file), std::move(*c));
  std::error_code ignored;
  if (!std::filesystem::is_directory(in.path(), ignored)) return parts;
  const auto mine = classify(in.weights_path().filename().string());
  const auto files = list_folder(in.path());
  for (const auto& f : files)
    if ((f.role == FileRole::variant || f.role == FileRole::weights) && f.stem == mine.stem &&
        f.variant != mine.variant && !fits_any(f.name, options.leave_behind)) {
      auto c = Checkpoint::open(in.path(), {.weights = f.name});
      std::string name = detail::weights_name(c);
      add(Kind::variant, std::move(name), std::move(c));
    }
  const auto stays = [&](std::string_view name) { return fits_any(std::string(name), options.leave_behind); };
  if (in.has_ema() && !stays(Checkpoint::ema_file)) add(Kind::averages, std::string(Checkpoint::ema_file), in.ema());
  for (const auto& f : files)
    if (f.role == FileRole::average && !stays(f.name) && std::filesystem::is_directory(in.path() / f.name, ignored))
      if (auto c = detail::same_model(in.path() / f.name, in)) add(Kind::averaged_model, f.name, std::move(*c));
  const auto folder = std::filesystem::absolute(in.path()).lexically_normal();
  const auto named = folder.has_filename() ? folder : folder.parent_path();
  if (!std::filesystem::exists(named.parent_path() / Checkpoint::pipeline_file, ignored))
    for (const auto& name : {named.filename().string() + "_ema", std::string("ema")})
      if (const auto beside = named.parent_path() / name; beside != named && !stays(name))
        if (auto c = detail::same_model(beside, in)) add(Kind::averaged_model, name, std::move(*c));
  if (in.has_optimizer() && !stays(Checkpoint::optimizer_file))
    add(Kind::optimizer, std::string(Checkpoint::optimizer_file), in.optimizer());
  for (auto& [file, state] : torch_states(in, options, unread ? *unread : nobody_asks)) {
    auto tensors = Checkpoint::of(in.state_folder() / file, joined_file(in.state_folder() / file, state.tensors()));
    add(Kind::optimizer, file, std::move(tensors));
    parts.back().torch = std::make_shared<const StoredOptimizer>(std::move(state));
  }
  return parts;
}

}  // namespace modelgrow::inline v0
