// SPDX-License-Identifier: MIT
// Saving and loading any described model, on any device, in any of the four float types.
#pragma once
#include <set>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/describe.hpp>

namespace modelgrow::inline v0 {

/// How a model is saved.
struct SaveOptions {
  std::optional<DType> dtype = {};  // type of the elements in the file; the model's own type when empty
  WriteOptions write = {};
};

/// What load() does about parameters the file lacks and tensors the model lacks. A wrong shape is always an error.
struct LoadOptions {
  enum class Mismatch { refuse, accept };
  Mismatch missing = Mismatch::refuse;
  Mismatch unexpected = Mismatch::refuse;
  std::string prefix = {};  // read tensors "<prefix><path>" and ignore all others
};

/// What load() did.
struct LoadReport {
  std::int64_t loaded = 0;              // parameters
  std::int64_t converted = 0;           // of them, those stored in another type
  std::vector<std::string> missing;     // parameters that kept their values
  std::vector<std::string> unexpected;  // tensors of the file that nobody asked for
};

/// Parameters and buffers of a model as declarations of a file.
template <class M>
std::vector<NamedShape> declarations(const M& model, std::optional<DType> dtype = {}) {
  std::vector<NamedShape> list;
  for_each_parameter(model, [&]<class P>(const std::string& path, const P& p) {
    using T = std::remove_cvref_t<decltype(*p.value.data())>;
    list.push_back(NamedShape{.name = path, .dtype = dtype.value_or(dtype_of<T>), .shape = p.value.shape()});
  });
  return list;
}

/// Writes the parameters and buffers of a model into a writer that declared them, perhaps beside other tensors.
/// Holds one parameter at a time.
template <class M>
void write_parameters(CheckpointWriter& writer, const M& model, std::optional<DType> dtype = {}) {
  for_each_parameter(model, [&]<class T, class D>(const std::string& path, const Parameter<T, D>& p) {
    const Tensor<T, Cpu> host = [&] {
      if constexpr (std::same_as<D, Cpu>)
        return p.value;
      else
        return to_cpu(p.value);
    }();
    const auto bytes = std::as_bytes(std::span<const T>(host.data(), std::size_t(host.size())));
    const DType to = dtype.value_or(dtype_of<T>);
    if (to == dtype_of<T>) return writer.write(path, bytes);
    std::vector<std::byte> converted(std::size_t(host.size()) * std::size_t(bits(to)) / 8);
    convert(dtype_of<T>, bytes.data(), to, converted.data(), host.size());
    writer.write(path, converted);
  });
}

/// Writes `path` ("dir/model.safetensors"; shards when asked for), all or nothing. Throws io_error, format_error.
template <class M>
void save(const std::filesystem::path& path, const M& model, Metadata metadata = {}, const SaveOptions& options = {}) {
  CheckpointWriter writer(path, declarations(model, options.dtype), std::move(metadata), options.write);
  write_parameters(writer, model, options.dtype);
  writer.commit();
}

namespace detail {
/// "\n  missing 3: a, b, c" with at most ten names.
inline std::string name_list(std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = "\n  " + std::string(what) + " " + std::to_string(names.size()) + ": ";
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 10); ++i) text += (i ? ", " : "") + names[i];
  return text + (names.size() > 10 ? ", ..." : "");
}
}  // namespace detail

/// Fills a model from a checkpoint. Everything is checked first: on an error the model is unchanged.
/// Throws format_error that lists missing, unexpected and misshapen tensors.
template <class M>
LoadReport load(M& model, const Checkpoint& checkpoint, const LoadOptions& options = {}) {
  LoadReport report;
  std::vector<std::string> wrong;
  std::set<std::string> wanted;
  for_each_parameter(model, [&](const std::string& path, const auto& p) {
    const std::string name = checkpoint.prefix().without(options.prefix + path);
    wanted.insert(name);
    const TensorView* t = checkpoint.find(name);
    if (!t)
      report.missing.push_back(name);
    else if (t->shape != p.value.shape())
      wrong.push_back(name + " (the file has " + to_string(t->shape) + ", the model wants " +
                      to_string(p.value.shape()) + ")");
    else if (!is_arithmetic_float(t->dtype))
      wrong.push_back(name + " (the file has " + std::string(modelgrow::name(t->dtype)) +
                      ", the model wants F64, F32, F16 or BF16)");
  });
  const auto prefix = checkpoint.prefix().without(options.prefix);
  for (const auto& t : checkpoint.tensors())
    if (t.name.starts_with(prefix) && !wanted.contains(t.name)) report.unexpected.push_back(t.name);
  const bool refused = (options.missing == LoadOptions::Mismatch::refuse && !report.missing.empty()) ||
                       (options.unexpected == LoadOptions::Mismatch::refuse && !report.unexpected.empty());
  if (refused || !wrong.empty())
    throw format_error(checkpoint.path().string() + ": the checkpoint does not fit the model" +
                       detail::name_list("missing", report.missing) +
                       detail::name_list("unexpected", report.unexpected) + detail::name_list("misshapen", wrong) +
                       "\n  check that both are of one family and size");
  for_each_parameter(model, [&]<class T, class D>(const std::string& path, Parameter<T, D>& p) {
    const TensorView* t = checkpoint.find(options.prefix + path);
    if (!t) return;
    ++report.loaded;
    if (t->dtype == dtype_of<T>) {
      D::from_host(p.value.data(), t->data, t->bytes);
    } else {
      ++report.converted;
      const std::vector<T> values = values_of<T>(*t);
      D::from_host(p.value.data(), values.data(), p.value.bytes());
    }
    checkpoint.release(t->span());
  });
  return report;
}

}  // namespace modelgrow::inline v0
