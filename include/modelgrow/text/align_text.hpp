// SPDX-License-Identifier: MIT
// The warm start of a swapped text encoder: fills in what SwapTextEncoder made new, in a model, in averages of its
// weights, or in the files of a checkpoint.
#pragma once
#include <filesystem>
#include <functional>
#include <map>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/parameter.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/grow/optimizer_state.hpp>
#include <modelgrow/text/text_projector.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The three tensors of a CaptionEmbedder that touch states, by their names.
struct ProjectorNames {
  std::string weight, bias, null;
  explicit ProjectorNames(const std::string& projector)
      : weight(projector + ".y_proj.fc1.weight"),
        bias(projector + ".y_proj.fc1.bias"),
        null(projector + ".y_embedding") {}
};

struct NamedValues {
  Shape shape;
  DType dtype;
  std::vector<double> values;
};
using AlignedValues = std::map<std::string, std::vector<double>, std::less<>>;

/// Calls f(name, tensor) for everything that a model or its averages hold.
template <class Holder, class F>
void for_each_tensor(Holder& holder, F&& f) {
  if constexpr (requires { holder.averages(); })
    for (auto& [name, tensor] : holder.averages()) f(name, tensor);
  else
    for_each_parameter(holder, [&](const std::string& name, auto& p) { f(name, p.value); });
}

/// What get(name) finds as a projector; throws shape_error unless the three fit together and hold something.
template <class Get>
TextProjector projector_of(Get&& get, const ProjectorNames& names) {
  const NamedValues weight = get(names.weight), bias = get(names.bias), null = get(names.null);
  if (weight.shape.rank() != 2 || null.shape.rank() != 2 || null.shape[1] != weight.shape[1] ||
      bias.shape != Shape{weight.shape[0]} || numel(weight.shape) == 0 || numel(null.shape) == 0)
    throw shape_error("'" + names.weight + "' " + to_string(weight.shape) + ", '" + names.bias + "' " +
                      to_string(bias.shape) + " and '" + names.null + "' " + to_string(null.shape) +
                      " are no projector of text states");
  return TextProjector{.hidden = weight.shape[0],
                       .channels = weight.shape[1],
                       .length = null.shape[0],
                       .weight = weight.values,
                       .bias = bias.values,
                       .null = null.values,
                       .rounding = std::max(rounding_of(weight.dtype), rounding_of(null.dtype))};
}

/// New values by name. Throws shape_error when the grown model does not read what the map starts from.
inline AlignedValues aligned_values(const TextProjector& grown, const TextProjector& before, const AffineMap& map,
                                    const ProjectorNames& names) {
  if (grown.channels != map.from || grown.hidden != before.hidden)
    throw shape_error("the grown model projects states of width " + std::to_string(grown.channels) + " to " +
                      std::to_string(grown.hidden) + "; the map starts from width " + std::to_string(map.from) +
                      " and the old model projects to " + std::to_string(before.hidden) +
                      ": swap the text encoder for the one that the map was fitted to, and grow later");
  TextProjector after = behind(before, map, grown.length, grown.rounding);
  return {{names.weight, std::move(after.weight)},
          {names.bias, std::move(after.bias)},
          {names.null, std::move(after.null)}};
}

template <class Holder>
TextProjector projector_in(const Holder& holder, const ProjectorNames& names) {
  std::map<std::string, NamedValues, std::less<>> found;
  for_each_tensor(holder, [&]<class U, class D>(const std::string& name, const Tensor<U, D>& tensor) {
    if (name != names.weight && name != names.bias && name != names.null) return;
    const auto host = to_cpu(tensor);
    NamedValues v{.shape = host.shape(), .dtype = dtype_of<U>, .values = std::vector<double>(std::size_t(host.size()))};
    for (std::int64_t i = 0; i < host.size(); ++i) v.values[std::size_t(i)] = element_cast<double>(host.data()[i]);
    found.emplace(name, std::move(v));
  });
  const auto get = [&](const std::string& name) {
    const auto it = found.find(name);
    if (it == found.end()) throw shape_error("there is no '" + name + "' to align");
    return it->second;
  };
  return projector_of(get, names);
}

inline TextProjector projector_in(const Checkpoint& file, const ProjectorNames& names) {
  const auto get = [&](const std::string& name) {
    const TensorView& t = file.tensor(name);
    return NamedValues{.shape = t.shape, .dtype = t.dtype, .values = values_of<double>(t)};
  };
  return projector_of(get, names);
}

/// Tensors that are made first and exchanged at the end, when nothing can fail any more.
class PendingTensors {
 public:
  template <class U, class D>
  void add(Tensor<U, D>& tensor, const std::vector<double>& values) {
    Tensor<U, Cpu> host(tensor.shape());
    for (std::int64_t i = 0; i < host.size(); ++i) host.data()[i] = element_cast<U>(values[std::size_t(i)]);
    exchange_.push_back([to = &tensor, made = to_device<D>(host)]() mutable { *to = std::move(made); });
  }
  void commit() {
    for (auto& f : exchange_) f();
  }

 private:
  std::vector<std::function<void()>> exchange_;
};

template <class Holder>
AlignedValues add_aligned(PendingTensors& pending, Holder& grown, const Holder& before, const AffineMap& map,
                          const ProjectorNames& names) {
  AlignedValues values = aligned_values(projector_in(grown, names), projector_in(before, names), map, names);
  for_each_tensor(grown, [&](const std::string& name, auto& tensor) {
    if (const auto it = values.find(name); it != values.end()) pending.add(tensor, it->second);
  });
  return values;
}

/// Writes the files of a checkpoint into a directory, with new values for some tensors.
inline void write_with(const std::filesystem::path& directory, const Checkpoint& in, const AlignedValues& values) {
  for (const auto& file : in.files()) {
    std::vector<NamedShape> declared;
    for (const auto& t : file.tensors())
      declared.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
    SafetensorsWriter writer(directory / file.path().filename(), std::move(declared), file.metadata());
    for (const auto& t : file.tensors()) {
      const auto it = values.find(in.prefix().without(t.name));
      if (it == values.end()) {
        writer.write(t.name, t.span());
        continue;
      }
      if (numel(t.shape) != std::int64_t(it->second.size()))
        throw shape_error("'" + file.path().string() + "': tensor '" + t.name + "' has shape " + to_string(t.shape) +
                          "; expected " + std::to_string(it->second.size()) +
                          " elements: the file is not of the grown model");
      std::vector<std::byte> bytes(t.bytes);
      convert(DType::f64, reinterpret_cast<const std::byte*>(it->second.data()), t.dtype, bytes.data(),
              std::int64_t(it->second.size()));
      writer.write(t.name, bytes);
    }
    writer.commit();
  }
}

/// Copies what the other directory lacks. Throws io_error.
inline void copy_rest(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code code;
  for (std::filesystem::directory_iterator it(from, code), end; !code && it != end; it.increment(code)) {
    const auto target = to / it->path().filename();
    if (std::filesystem::exists(target, code)) continue;
    if (!code) std::filesystem::copy(it->path(), target, std::filesystem::copy_options::recursive, code);
    if (code) throw_io("copy", it->path(), code.value());
  }
  if (code) throw_io("read", from, code.value());
}

}  // namespace detail

/// Makes a grown model (or averages of its weights: anything with averages()) read states of the new encoder as
/// `before` reads map(states). `projector` is the path of the CaptionEmbedder, such as "transformer.y_embedder" in the
/// averages of a pipeline. On an exception nothing has changed. Throws shape_error when sizes differ. A model of 16
/// bits whose optimizer has grown or stepped goes together with it (below): the next step starts from the float weights
/// that the optimizer keeps.
template <class Holder>
void align_text(Holder& grown, const Holder& before, const AffineMap& map,
                const std::string& projector = "y_embedder") {
  detail::PendingTensors pending;
  detail::add_aligned(pending, grown, before, map, detail::ProjectorNames(projector));
  pending.commit();
}

/// The same for a model and its optimizer (anything with states() by the paths of the model, as train/adamw.hpp), whose
/// float weights are aligned where it keeps any; its moments stay.
template <class Holder, class Optimizer>
requires requires(Optimizer& o) { o.states().begin()->second.master; }
void align_text(Holder& grown, const Holder& before, const AffineMap& map, Optimizer& optimizer,
                const std::string& projector = "y_embedder") {
  detail::PendingTensors pending;
  const auto values = detail::add_aligned(pending, grown, before, map, detail::ProjectorNames(projector));
  for (auto& [path, state] : optimizer.states())
    if (const auto it = values.find(path); it != values.end() && state.master.defined()) {
      if (state.master.size() != std::int64_t(it->second.size()))
        throw shape_error("the optimizer's weights of '" + path + "' have shape " + to_string(state.master.shape()) +
                          "; expected " + std::to_string(it->second.size()) +
                          " elements: grow the optimizer together with the model");
      pending.add(state.master, it->second);
    }
  pending.commit();
}

/// The same for a grown checkpoint on disk, its averages, and the float weights that its optimizer keeps: the directory
/// is replaced in one step, and everything else in it stays. Throws io_error, format_error and shape_error, and the
/// directory is as it was.
inline void align_text(const std::filesystem::path& grown, const Checkpoint& before, const AffineMap& map,
                       const std::string& projector = "y_embedder") {
  const detail::ProjectorNames names(projector);
  const Checkpoint in = Checkpoint::open(grown);
  if (std::error_code ignored; !std::filesystem::is_directory(grown, ignored))
    throw io_error("'" + grown.string() + "' is a file: align the directory that the growth was written to");
  const auto values_in = [&](const Checkpoint& a, const Checkpoint& b) {
    return detail::aligned_values(detail::projector_in(a, names), detail::projector_in(b, names), map, names);
  };
  const detail::AlignedValues values = values_in(in, before);
  detail::AtomicDirectory out(grown, Existing::replace);
  detail::write_with(out.path(), in, values);
  if (in.has_ema()) detail::write_with(out.path(), in.ema(), values_in(in.ema(), before.ema()));
  if (in.has_optimizer()) {
    detail::AlignedValues master;
    for (const auto& [name, v] : values) master.emplace(optimizer_name(OptimizerKind::master, name), v);
    detail::write_with(out.path(), in.optimizer(), master);
  }
  detail::copy_rest(grown, out.path());
  out.commit();
}

}  // namespace modelgrow::inline v0
