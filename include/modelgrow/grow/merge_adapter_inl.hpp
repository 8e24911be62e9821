// SPDX-License-Identifier: MIT
// The definitions of merge_adapter.hpp.
#pragma once
#include <cmath>
#include <map>
#include <ostream>

#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/low_rank_sum.hpp>
#include <modelgrow/grow/merge_adapter.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What each weight gets, by its name. Throws plan_error and option_error.
struct Folded {
  const AdaptedLayer* layer;
  MergedLayer report;
};
inline std::map<std::string, Folded> folded_layers(const Checkpoint& base, const Adapter& adapter,
                                                   std::optional<double> alpha) {
  std::map<std::string, Folded> all;
  const auto names = adapter.layers_in(base.names());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& layer = adapter.layers()[i];
    if (alpha && adapter.alpha_place() != AlphaPlace::nowhere)
      throw option_error(adapter.path().string() + ": the alpha of '" + names[i] + "' stands in " +
                         std::string(word_of(adapter.alpha_place())) +
                         "; leave the other one out (MergeOptions::alpha, --alpha)");
    if (!layer.alpha && !alpha)
      throw option_error(adapter.path().string() + ": nothing says the alpha of '" + names[i] +
                         "', and programs differ in what they take; give the one of the training "
                         "(MergeOptions::alpha, --alpha), or adapter_config.json beside the file");
    const auto& weight = base.tensor(names[i] + ".weight");
    if (!is_arithmetic_float(weight.dtype))
      throw plan_error(base.path().string() + ": '" + weight.name + "' has type " + std::string(name(weight.dtype)) +
                       ", to which no adapter can be added; merge into weights of F64, F32, F16 or BF16");
    all.emplace(weight.name, Folded{.layer = &layer,
                                    .report = {.name = names[i],
                                               .rank = layer.rank(),
                                               .scale = layer.scale(alpha ? *alpha : *layer.alpha)}});
  }
  return all;
}

/// Hands a tensor to `sink` in pieces, with its adapter where it has one.
inline void merge_tensor(const Checkpoint& base, const TensorView& t, Folded* folded,
                         const std::function<void(std::span<const std::byte>)>& sink) {
  constexpr std::uint64_t most = std::uint64_t{32} << 20;
  const std::int64_t rows = folded ? t.shape[0] : 1;
  const std::uint64_t row = t.bytes / std::uint64_t(std::max<std::int64_t>(1, rows));
  const std::int64_t step = std::int64_t(std::max<std::uint64_t>(1, most / std::max<std::uint64_t>(1, row)));
  LowRankChange seen;
  std::vector<std::byte> merged;
  for (std::int64_t begin = 0; folded && begin < rows; begin += step) {
    const auto end = std::min(rows, begin + step);
    const auto part = t.span().subspan(std::uint64_t(begin) * row, std::uint64_t(end - begin) * row);
    base.prepare(part);
    merged.resize(part.size());
    seen.add(add_low_rank(t.dtype, part.data(), begin, end, numel(t.shape) / rows, folded->layer->a, folded->layer->b,
                          folded->report.scale, merged.data()));
    sink(merged);
    base.release(part);
  }
  for (std::uint64_t at = 0; !folded && at < t.bytes; at += most) {
    const auto part = t.span().subspan(at, std::min(most, t.bytes - at));
    base.prepare(part);
    sink(part);
    base.release(part);
  }
  if (!folded) return;
  folded->report.change = seen.largest > 0 ? seen.change / seen.largest : seen.change;
  if (!seen.finite)
    throw check_error(base.path().string() + ": '" + t.name +
                      "' would hold numbers that are not finite, which neither the adapter nor its type " +
                      std::string(name(t.dtype)) + " may make; check the adapter and its alpha");
}

}  // namespace detail

MODELGROW_INLINE MergeReport merge_adapter(const Checkpoint& base, const Adapter& adapter,
                                           const std::filesystem::path& directory, const MergeOptions& options) {
  if (options.existing == Existing::replace) detail::check_not_inside(base.path(), directory);
  auto folded = detail::folded_layers(base, adapter, options.alpha);
  std::vector<NamedShape> declared;
  for (const auto& t : base.tensors())
    declared.push_back({.name = base.prefix().with(t.name), .dtype = t.dtype, .shape = t.shape});
  detail::AtomicDirectory out(directory, options.existing);
  detail::check_room(base.total_bytes(), free_bytes(directory), directory);
  CheckpointWriter writer(out.path() / detail::weights_name(base), declared, base.metadata(),
                          {.shard_bytes = options.shard_bytes ? options.shard_bytes : detail::largest_file(base)});
  MergeReport report{
      .form = adapter.form(), .alpha_place = adapter.alpha_place(), .layers = {}, .files = {}, .notes = {}};
  ProgressReport so_far{.what = {}, .total = std::int64_t(declared.size()), .total_bytes = base.total_bytes()};
  for (const auto& target : writer.tensors()) {
    const auto& t = base.tensor(target.name);
    const auto it = folded.find(t.name);
    detail::merge_tensor(base, t, it == folded.end() ? nullptr : &it->second,
                         [&](std::span<const std::byte> part) { writer.write(target.name, part); });
    so_far.what = t.name;
    ++so_far.done;
    so_far.bytes += t.bytes;
    if (options.progress) options.progress(so_far);
  }
  writer.commit();
  report.files.push_back(writer.path().filename().string());
  std::error_code ignored;
  if (std::filesystem::exists(base.path() / Checkpoint::config_file, ignored)) {
    detail::write_file(out.path() / Checkpoint::config_file, base.config());
    report.files.emplace_back(Checkpoint::config_file);
  }
  out.commit();
  report.copied = declared.size() - folded.size();
  for (auto& [name, layer] : folded) report.layers.push_back(std::move(layer.report));
  if (base.has_optimizer())
    report.notes.emplace_back("optimizer state was not carried over: it belongs to the weights without the adapter");
  if (base.has_ema()) report.notes.emplace_back("averaged weights were not carried over: they have no adapter");
  return report;
}

MODELGROW_INLINE std::ostream& operator<<(std::ostream& os, const MergeReport& r) {
  os << "merged " << r.layers.size() << " layers of an adapter (" << detail::word_of(r.form) << "; alpha "
     << (r.alpha_place == AlphaPlace::nowhere ? "not said by the file" : "in ")
     << (r.alpha_place == AlphaPlace::nowhere ? "" : detail::word_of(r.alpha_place)) << "), " << r.copied
     << " tensors as they were\n";
  std::size_t width = 0;
  for (const auto& l : r.layers) width = std::max(width, l.name.size());
  for (const auto& l : r.layers) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "  rank %-4lld scale %-8.4g changes up to %.3g of the largest weight\n",
                  static_cast<long long>(l.rank), l.scale, l.change);
    os << "  " << l.name << std::string(width - l.name.size(), ' ') << numbers;
  }
  os << "  files:";
  for (const auto& f : r.files) os << " " << f;
  os << "\n";
  for (const auto& n : r.notes) os << "  note: " << n << "\n";
  return os;
}

MODELGROW_INLINE std::string to_json(const MergeReport& r) {
  using detail::object_of;
  auto layers = detail::json::array();
  for (const auto& l : r.layers)
    layers.push_back(object_of({{"name", l.name}, {"rank", l.rank}, {"scale", l.scale}, {"change", l.change}}));
  return object_of({{"form", detail::word_of(r.form)},
                    {"alpha", detail::word_of(r.alpha_place)},
                    {"layers", std::move(layers)},
                    {"copied", r.copied},
                    {"files", r.files},
                    {"notes", r.notes}})
             .dump(2) +
         "\n";
}

}  // namespace modelgrow::inline v0
