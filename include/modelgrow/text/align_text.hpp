// SPDX-License-Identifier: MIT
// The warm start of a swapped text encoder: fills in what SwapTextEncoder made new, in a model, in averages of its
// weights, or in the files of a checkpoint.
#pragma once
#include <filesystem>
#include <map>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/parameter.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
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
  std::vector<double> values;
};

/// Calls f(name, tensor) for everything that a model or its averages hold.
template <class Holder, class F>
void for_each_tensor(Holder& holder, F&& f) {
  if constexpr (requires { holder.averages(); })
    for (auto& [name, tensor] : holder.averages()) f(name, tensor);
  else
    for_each_parameter(holder, [&](const std::string& name, auto& p) { f(name, p.value); });
}

/// What get(name) finds as a projector; throws shape_error unless the three fit together.
template <class Get>
TextProjector projector_of(Get&& get, const ProjectorNames& names) {
  const NamedValues weight = get(names.weight), bias = get(names.bias), null = get(names.null);
  if (weight.shape.rank() != 2 || null.shape.rank() != 2 || null.shape[1] != weight.shape[1] ||
      bias.shape != Shape{weight.shape[0]})
    throw shape_error("'" + names.weight + "' " + to_string(weight.shape) + ", '" + names.bias + "' " +
                      to_string(bias.shape) + " and '" + names.null + "' " + to_string(null.shape) +
                      " are no projector of text states");
  return TextProjector{.hidden = weight.shape[0],
                       .channels = weight.shape[1],
                       .length = null.shape[0],
                       .weight = weight.values,
                       .bias = bias.values,
                       .null = null.values};
}

/// New values by name. Throws shape_error when the grown model does not read what the map starts from.
inline std::map<std::string, std::vector<double>, std::less<>> aligned_values(const TextProjector& grown,
                                                                              const TextProjector& before,
                                                                              const AffineMap& map,
                                                                              const ProjectorNames& names) {
  if (grown.channels != map.from || grown.hidden != before.hidden)
    throw shape_error("the grown model projects states of width " + std::to_string(grown.channels) + " to " +
                      std::to_string(grown.hidden) + "; the map starts from width " + std::to_string(map.from) +
                      " and the old model projects to " + std::to_string(before.hidden) +
                      ": swap the text encoder for the one that the map was fitted to, and grow later");
  TextProjector after = behind(before, map, grown.length);
  return {{names.weight, std::move(after.weight)},
          {names.bias, std::move(after.bias)},
          {names.null, std::move(after.null)}};
}

template <class Holder>
TextProjector projector_in(const Holder& holder, const ProjectorNames& names) {
  std::map<std::string, NamedValues, std::less<>> found;
  for_each_tensor(holder, [&](const std::string& name, const auto& tensor) {
    if (name != names.weight && name != names.bias && name != names.null) return;
    const auto host = to_cpu(tensor);
    NamedValues v{.shape = host.shape(), .values = std::vector<double>(std::size_t(host.size()))};
    for (std::int64_t i = 0; i < host.size(); ++i) v.values[std::size_t(i)] = double(host.data()[i]);
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
    return NamedValues{.shape = t.shape, .values = values_of<double>(t)};
  };
  return projector_of(get, names);
}

/// Writes the files of `grown` with the aligned values into a directory.
inline void write_aligned(const std::filesystem::path& directory, const Checkpoint& grown, const Checkpoint& before,
                          const AffineMap& map, const ProjectorNames& names) {
  const auto values = aligned_values(projector_in(grown, names), projector_in(before, names), map, names);
  for (const auto& file : grown.files()) {
    std::vector<NamedShape> declared;
    for (const auto& t : file.tensors())
      declared.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
    SafetensorsWriter writer(directory / file.path().filename(), std::move(declared), file.metadata());
    for (const auto& t : file.tensors()) {
      const auto it = values.find(t.name);
      if (it == values.end()) {
        writer.write(t.name, t.span());
        continue;
      }
      std::vector<std::byte> bytes(t.bytes);
      convert(DType::f64, reinterpret_cast<const std::byte*>(it->second.data()), t.dtype, bytes.data(),
              std::int64_t(it->second.size()));
      writer.write(t.name, bytes);
    }
    writer.commit();
  }
}

}  // namespace detail

/// Makes a grown model (or averages of its weights: anything with averages()) read states of the new encoder as
/// `before` reads map(states). `projector` is the path of the CaptionEmbedder, such as "transformer.y_embedder" in the
/// averages of a pipeline. On an exception nothing has changed. Throws shape_error when sizes differ.
template <class Holder>
void align_text(Holder& grown, const Holder& before, const AffineMap& map,
                const std::string& projector = "y_embedder") {
  const detail::ProjectorNames names(projector);
  const auto values =
      detail::aligned_values(detail::projector_in(grown, names), detail::projector_in(before, names), map, names);
  detail::for_each_tensor(grown, [&]<class U, class D>(const std::string& name, Tensor<U, D>& tensor) {
    const auto it = values.find(name);
    if (it == values.end()) return;
    Tensor<U, Cpu> host(tensor.shape());
    for (std::int64_t i = 0; i < host.size(); ++i) host.data()[i] = element_cast<U>(it->second[std::size_t(i)]);
    tensor = to_device<D>(host);
  });
}

/// The same for a grown checkpoint on disk and its averages: the directory is replaced in one step, and everything else
/// in it stays. Throws io_error, format_error and shape_error, and the directory is as it was.
inline void align_text(const std::filesystem::path& grown, const Checkpoint& before, const AffineMap& map,
                       const std::string& projector = "y_embedder") {
  const detail::ProjectorNames names(projector);
  const Checkpoint in = Checkpoint::open(grown);
  if (!std::filesystem::is_directory(grown))
    throw io_error("'" + grown.string() + "' is a file: align the directory that the growth was written to");
  detail::AtomicDirectory out(grown, Existing::replace);
  detail::write_aligned(out.path(), in, before, map, names);
  if (in.has_ema()) detail::write_aligned(out.path(), in.ema(), before.ema(), map, names);
  for (const auto& entry : std::filesystem::directory_iterator(grown))
    if (const auto to = out.path() / entry.path().filename(); !std::filesystem::exists(to))
      std::filesystem::copy(entry.path(), to, std::filesystem::copy_options::recursive);
  out.commit();
}

}  // namespace modelgrow::inline v0
