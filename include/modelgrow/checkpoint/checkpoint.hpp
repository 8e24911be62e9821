// SPDX-License-Identifier: MIT
// A checkpoint as one set of named tensors, whether it is a file, shards with an index, or a directory with its
// configuration, optimizer state and averaged weights. Files are mapped; opening reads headers only (and gathers
// tensors of torch files that are not contiguous).
#pragma once
#include <modelgrow/checkpoint/name_prefix.hpp>
#include <modelgrow/checkpoint/safetensors.hpp>

namespace modelgrow::inline v0 {

/// What to do about files that an index names and that are not there: refuse, or read the headers of the others.
enum class Incomplete { refuse, accept };

/// How a checkpoint is opened.
struct CheckpointOptions {
  std::string weights = {};  ///< name of the file or index in a directory that holds several; empty: the only one
  Incomplete incomplete = Incomplete::refuse;
  std::string component = {};  ///< folder of a pipeline to open; empty: its transformer
  /// Keys that lead to the weights in a torch file of several dictionaries: "ema", "model/module"
  std::string state_dict = {};
};

/// Named tensors of one checkpoint. Copies share the mappings; views live as long as any copy. Names are without the
/// prefix of a wrapper, which prefix() tells.
class Checkpoint {
 public:
  /// Names of the files that a training directory keeps beside its weights.
  static constexpr std::string_view optimizer_file = "optimizer.safetensors";
  static constexpr std::string_view ema_file = "ema.safetensors";
  static constexpr std::string_view config_file = "config.json";
  /// The metadata entry that is the same in all files of one save of a run, and another in those of another.
  static constexpr std::string_view save_mark = "save_mark";
  /// What makes a directory a pipeline, whose transformer is opened.
  static constexpr std::string_view pipeline_file = "model_index.json";

  /// Opens a .safetensors file, a file of torch.save, an .index.json, a directory that holds model.safetensors,
  /// diffusion_pytorch_model.safetensors, an index, or exactly one .safetensors file besides optimizer and EMA, or,
  /// where there is none, pytorch_model.bin or exactly one torch file, a distributed checkpoint, a run that has one in
  /// the folder `model` and one of its optimizers in `optim`, the transformer of a pipeline, or of a run that keeps the
  /// state of its optimizers beside the folder `transformer`. A directory with two sets of weights is refused unless
  /// the options name one, and so is a torch file with two. Throws io_error (missing, ambiguous, incomplete) and
  /// format_error (bytes or index that do not follow the format).
  static Checkpoint open(const std::filesystem::path& path, const CheckpointOptions& options = {});

  /// Tensors that somebody has read from `path` in another form.
  static Checkpoint of(const std::filesystem::path& path, MappedTensors tensors);

  /// Tensors in file order, shard after shard.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  /// Names, types and shapes in the same order; behind them, names of tensors whose files are missing.
  const Names& names() const { return names_; }
  /// A tensor whose file is there, by its name with or without prefix().
  const TensorView* find(std::string_view name) const;
  /// Throws format_error with the nearest names.
  const TensorView& tensor(std::string_view name) const;
  /// What wrappers put before the names in the files.
  const NamePrefix& prefix() const { return prefix_; }
  /// Files that the index names and that are not there; only of one that was opened all the same.
  const std::vector<std::string>& missing_files() const { return missing_; }
  std::uint64_t total_bytes() const;

  /// What was opened.
  const std::filesystem::path& path() const { return path_; }
  /// The file or index with the weights.
  const std::filesystem::path& weights_path() const { return weights_; }
  /// The folder of a distributed checkpoint, of two of them, or of a run of DeepSpeed.
  std::filesystem::path store() const;
  /// Where the training state of other trainers lies: path(), or for a run that has its model in a folder, that of the
  /// run.
  const std::filesystem::path& state_folder() const { return run_.empty() ? path_ : run_; }
  /// The files, in shard order.
  const std::vector<MappedTensors>& files() const { return files_; }
  /// Keys that lead to the weights in a torch file, as CheckpointOptions has them; mostly empty.
  const std::string& state_dict() const { return state_dict_; }
  /// Keys of a torch file that stand beside the weights: an optimizer, averages, counters.
  const std::vector<std::string>& beside_weights() const { return beside_weights_; }
  /// Text entries of the files; where shards disagree, the first wins.
  const Metadata& metadata() const { return metadata_; }
  /// JSON text of config.json in the directory, or else of the metadata entry "config"; empty when there is none.
  const std::string& config() const { return config_; }

  bool has_optimizer() const { return has_optimizer_; }
  bool has_ema() const { return has_ema_; }
  /// Optimizer state of a directory; throws io_error when there is none.
  Checkpoint optimizer() const { return open(beside(optimizer_file)); }
  /// Averaged weights of a directory; throws io_error when there are none.
  Checkpoint ema() const { return open(beside(ema_file)); }

  /// Reads a part of a tensor into memory before it is used. Throws io_error, where a use would end the process, when
  /// the disk fails or the file was cut meanwhile.
  void prepare(std::span<const std::byte> part) const;
  /// Lets the memory pages of a part of a tensor leave this process after use (bounded memory); it stays valid.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  /// The file that holds some bytes; nullptr for others.
  const MappedTensors* file_of(std::span<const std::byte> part) const noexcept;
  /// The folder of a pipeline that is meant.
  static std::filesystem::path folder_of(const std::filesystem::path& path, const CheckpointOptions& options);

  /// One file of weights, by its format.
  void open_file(const CheckpointOptions& options);

  /// A file of the folder, or the index of its shards. Throws io_error where both are there.
  std::filesystem::path beside(std::string_view name) const;

  void read_config();

  /// Tensors that only the index names. Throws io_error that lists missing files, unless they are accepted.
  std::vector<NamedShape> open_index(const CheckpointOptions& options);

  /// The tensors of all files. Throws format_error for files that were not saved together.
  void take_files();

  /// Takes the prefix off all names.
  void name_tensors(std::vector<NamedShape> unknown);

  Checkpoint() = default;
  std::filesystem::path path_, weights_, run_;
  std::vector<MappedTensors> files_;
  std::vector<TensorView> tensors_;  // those of the first file, then of the next, ..
  struct Memory {
    std::size_t file, bytes;
  };
  std::map<const std::byte*, Memory> memory_;  // by where it begins
  Metadata metadata_;
  Names names_;
  NamePrefix prefix_;
  std::vector<std::string> missing_, beside_weights_;
  std::string config_, state_dict_;
  bool has_optimizer_ = false, has_ema_ = false;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/checkpoint_inl.hpp>
#endif
