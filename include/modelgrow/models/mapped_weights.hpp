// SPDX-License-Identifier: MIT
// The weights of a language model as they lie in their file, GGUF or safetensors: mapped, never copied, still in blocks
// or 16 bits.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// A linear map in its file, and its bias, if it has one, as floats.
struct MappedLinear {
  QuantisedMatrix weight;
  Tensor<float, Cpu> bias;
};

/// Named matrices and vectors of an opened model. Copies share the mapping, which lives as long as any of them.
class MappedWeights {
 public:
  /// A GGUF file of any name, or whatever Checkpoint::open takes. Throws io_error, or format_error (also for files
  /// without tensors).
  static MappedWeights open(const std::filesystem::path& path) {
    MappedWeights w;
    if (is_gguf(path))
      w.gguf_ = Gguf::open(path);
    else
      w.checkpoint_ = Checkpoint::open(path);
    if (w.gguf_ ? w.gguf_->tensors().empty() : w.checkpoint_->tensors().empty())
      throw format_error(w.source() + ": the file has no tensors" +
                         (w.gguf_ ? ", only metadata and perhaps a vocabulary" : "") + ": fetch the model itself");
    return w;
  }

  /// The GGUF file; nullptr for safetensors.
  const Gguf* gguf() const { return gguf_ ? &*gguf_ : nullptr; }
  /// The checkpoint; nullptr for GGUF.
  const Checkpoint* checkpoint() const { return checkpoint_ ? &*checkpoint_ : nullptr; }
  /// The text of config.json. Throws format_error for GGUF, which has none, and when it is not beside the weights.
  const std::string& config() const {
    if (gguf_)
      throw format_error(source() + ": this model is read from safetensors, not from GGUF: give the directory of the " +
                         "model");
    if (checkpoint_->config().empty())
      throw format_error(source() + ": there is no config.json beside the weights: give the directory of a language " +
                         "model, or a .gguf file");
    return checkpoint_->config();
  }
  /// Where config() comes from, for errors.
  std::string config_file() const { return (checkpoint_->path() / Checkpoint::config_file).string(); }
  std::string source() const { return (gguf_ ? gguf_->path() : checkpoint_->path()).string(); }

  bool contains(std::string_view name) const {
    return gguf_ ? gguf_->find(name) != nullptr : checkpoint_->find(name) != nullptr;
  }
  /// Throws format_error with the nearest names when there is no such tensor.
  Shape shape(std::string_view name) const { return gguf_ ? gguf_->at(name).shape : checkpoint_->tensor(name).shape; }
  /// A matrix [rows, columns]. Throws format_error: missing, of another shape, or of a type that is no float.
  QuantisedMatrix matrix(const std::string& name, std::int64_t rows, std::int64_t columns) const {
    return found(name, {rows, columns});
  }
  /// A vector as floats. Throws as matrix().
  Tensor<float, Cpu> vector(const std::string& name, std::int64_t size) const {
    Tensor<float, Cpu> t({size});
    found(name, {size}).decode_row(0, t.data());
    return t;
  }
  /// "<name>.weight" [out, in], and "<name>.bias" if there is one. Throws as matrix().
  MappedLinear linear(const std::string& name, std::int64_t out, std::int64_t in) const {
    return {.weight = matrix(name + ".weight", out, in),
            .bias = contains(name + ".bias") ? vector(name + ".bias", out) : Tensor<float, Cpu>()};
  }

 private:
  MappedWeights() = default;

  QuantisedMatrix found(const std::string& name, const Shape& expected) const {
    const Shape have = shape(name);
    if (have != expected)
      throw format_error(source() + ": tensor '" + name + "' is " + to_string(have) + "; expected " +
                         to_string(expected) + " by the sizes in " + (gguf_ ? "the metadata" : "config.json") +
                         ": file and configuration are of different models");
    if (gguf_) return gguf_->at(name).matrix();
    const TensorView& view = checkpoint_->tensor(name);
    return {.type = type_of(view), .rows = have.rank() == 1 ? 1 : have[0], .columns = have.back(), .data = view.data};
  }
  GgmlType type_of(const TensorView& view) const {
    switch (view.dtype) {
      case DType::f32:
        return GgmlType::f32;
      case DType::f16:
        return GgmlType::f16;
      case DType::bf16:
        return GgmlType::bf16;
      default:
        throw format_error(source() + ": tensor '" + view.name + "' has type " +
                           std::string(modelgrow::name(view.dtype)) +
                           "; expected F32, F16 or BF16: save the model in one of them");
    }
  }
  std::optional<Gguf> gguf_;
  std::optional<Checkpoint> checkpoint_;
};

}  // namespace modelgrow::inline v0
