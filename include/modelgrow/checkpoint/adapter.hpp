// SPDX-License-Identifier: MIT
// Low-rank adapters (LoRA, Hu et al. 2022) as trainers write them: for each adapted layer two factors A [rank, in] and
// B [out, rank], by which its weight W [out, in] becomes W + scale * B A. Five forms of names, one structure.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/adapter_config.hpp>
#include <modelgrow/checkpoint/checkpoint.hpp>

namespace modelgrow::inline v0 {

/// How an adapter names its tensors.
enum class AdapterForm {
  peft,             ///< base_model.model.LAYER.lora_A.weight, with adapter_config.json
  peft_in_memory,   ///< base_model.model.LAYER.lora_A.default.weight, as the state dict of the running model has it
  diffusers,        ///< transformer.LAYER.lora_A.weight, or LAYER.lora_A.weight
  diffusion_model,  ///< diffusion_model.LAYER.lora_A.weight or .lora_down.weight
  flattened,        ///< lora_unet_LAYER_WITH_UNDERSCORES.lora_down.weight: kohya, musubi-tuner
};
constexpr auto words_of(AdapterForm) {
  return std::array<std::string_view, 5>{"peft", "peft in memory", "diffusers", "diffusion_model", "musubi"};
}

/// Where the numbers stand that B A is scaled by.
enum class AlphaPlace { nowhere, tensors, config, header };
constexpr auto words_of(AlphaPlace) {
  return std::array<std::string_view, 4>{"nowhere", ".alpha tensors", "adapter_config.json", "the header"};
}

/// The adapter of one layer. The bytes of its tensors live as long as any copy of the adapter.
struct AdaptedLayer {
  std::string name;  // as the file has it: "blocks.0.attn.qkv" or "blocks_0_attn_qkv"
  TensorView a, b;   // [rank, in] and [out, rank], of a convolution [rank, in, ..] and [out, rank, 1, ..]
  std::optional<TensorView> alpha_tensor = {};
  std::optional<double> alpha = {};  // nothing: programs differ in what they take
  bool rslora = false;
  std::int64_t rank() const { return a.shape[0]; }
  /// What B A is multiplied by, for an alpha.
  double scale(double of_alpha) const;
};

/// An adapter in a file, or in a folder with its configuration.
class Adapter {
 public:
  static constexpr std::string_view config_file = "adapter_config.json";
  /// What diffusers keeps the configuration under, in the header.
  static constexpr std::string_view header_key = "lora_adapter_metadata";

  /// Opens a .safetensors or torch file, or a folder that holds one adapter. Throws io_error where there is none, and
  /// format_error that names the tensor or the key for what is no plain LoRA.
  static Adapter open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.weights_path(); }
  const Checkpoint& file() const { return file_; }
  AdapterForm form() const { return form_; }
  AlphaPlace alpha_place() const { return alpha_place_; }
  const std::vector<AdaptedLayer>& layers() const { return layers_; }
  /// adapter_config.json or what the header says; nothing where neither is there.
  const std::optional<LoraConfig>& config() const { return config_; }
  /// What stands before the names of layers in the file.
  const std::string& prefix() const { return prefix_; }

  /// The adapted layers by their names in a model, parallel to layers(): layer X has its weight in the tensor X.weight.
  /// Throws plan_error that names the layer where the model has none of that name, two, or one of another shape.
  std::vector<std::string> layers_in(const Names& model) const;

 private:
  explicit Adapter(Checkpoint file) : file_(std::move(file)) {}
  void read_names();
  void read_config();
  void check(const AdaptedLayer& layer) const;
  [[noreturn]] void fail(const std::string& what) const;

  Checkpoint file_;
  std::vector<AdaptedLayer> layers_;
  AdapterForm form_ = AdapterForm::peft;
  AlphaPlace alpha_place_ = AlphaPlace::nowhere;
  std::string prefix_;
  std::optional<LoraConfig> config_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/adapter_inl.hpp>
#endif
