// SPDX-License-Identifier: MIT
// One part of a checkpoint through a plan: which tensors it becomes, streamed into files, and compared with its source.
#pragma once
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/completeness.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/parts.hpp>
#include <modelgrow/grow/write_options.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Throws format_error for averages or optimizer state that cover only a part of the model.
inline void check_complete(const Plan& plan, const std::vector<Part>& parts) {
  std::optional<TensorSet> optimizer;
  for (const auto& p : parts)
    if (p.kind == Part::Kind::optimizer) check_optimizer_complete(plan, optimizer.emplace(set_of(p.in)));
  for (const auto& p : parts)
    if (p.kind == Part::Kind::averages) check_averages_complete(plan, set_of(p.in), optimizer ? &*optimizer : nullptr);
}

/// The tensors that a part becomes. They point into the part.
inline std::vector<Output> outputs_of(const Plan& plan, const Part& part) {
  if (part.kind == Part::Kind::optimizer) return optimizer_outputs(plan, set_of(part.in));
  return weight_outputs(plan, set_of(part.in), part.kind == Part::Kind::averages ? Absent::leave_out : Absent::refuse);
}
inline std::uint64_t bytes_of(const std::vector<Output>& outputs) {
  std::uint64_t n = 0;
  for (const auto& o : outputs) n += byte_size(o.target.dtype, o.target.shape).value_or(0);
  return n;
}

inline std::uint64_t largest_file(const Checkpoint& in) {
  std::uint64_t most = 0;
  for (const auto& f : in.files()) {
    std::uint64_t n = 0;
    for (const auto& t : f.tensors()) n += t.bytes;
    most = std::max(most, n);
  }
  return in.files().size() > 1 ? std::max<std::uint64_t>(most, 1) : UINT64_MAX;
}

/// Streams outputs into `path`, or shards of it, in the order of the files and under the names that `in` has them.
/// What was written opens at the path that is returned.
inline std::filesystem::path write_outputs(const Plan& plan, const Checkpoint& in, std::vector<Output> outputs,
                                           const std::filesystem::path& path, const Metadata& metadata,
                                           const WritePlan& options) {
  for (auto& o : outputs) o.target.name = in.prefix().with(o.target.name);
  std::vector<NamedShape> declared;
  for (const auto& o : outputs) declared.push_back(o.target);
  CheckpointWriter writer(path, declared, metadata,
                          WriteOptions{.shard_bytes = options.shard_bytes ? options.shard_bytes : largest_file(in)});
  std::map<std::string, std::size_t> place;
  for (const auto& t : writer.tensors()) place.emplace(t.name, place.size());
  std::vector<Output> ordered(outputs.size());
  for (auto& o : outputs) ordered[place.at(o.target.name)] = std::move(o);
  const auto put = [&](std::size_t i, std::span<const std::byte> bytes) {
    writer.write(ordered[i].target.name, bytes);
  };
  apply(plan, set_of(in), ordered, put, options.progress);
  writer.commit();
  return writer.path();
}

/// Recomputes every tensor of a grown part from its source. Throws check_error.
inline FileCheck check_part(const Plan& plan, const Part& part, const Checkpoint& grown) {
  if (part.kind == Part::Kind::optimizer) return check_optimizer(plan, set_of(part.in), set_of(grown));
  return check_weights(plan, set_of(part.in), set_of(grown));
}

}  // namespace detail
}  // namespace modelgrow::inline v0
