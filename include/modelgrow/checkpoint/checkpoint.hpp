// SPDX-License-Identifier: MIT
// A checkpoint as one set of named tensors, whether it is a file, shards with an index, or a directory with its
// configuration, optimizer state and averaged weights. Files are mapped; opening reads headers only.
#pragma once
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/name_prefix.hpp>
#include <modelgrow/checkpoint/shard_index.hpp>

namespace modelgrow::inline v0 {

/// What to do about files that an index names and that are not there: refuse, or read the headers of the others.
enum class Incomplete { refuse, accept };

/// How a checkpoint is opened.
struct CheckpointOptions {
  std::string weights = {};  ///< name of the file or index in a directory that holds several; empty: the only one
  Incomplete incomplete = Incomplete::refuse;
  std::string component = {};  ///< folder of a pipeline to open; empty: its transformer
};

/// Named tensors of one checkpoint. Copies share the mappings; views live as long as any copy. Names are without the
/// prefix of a wrapper, which prefix() tells.
class Checkpoint {
 public:
  /// Names of the files that a training directory keeps beside its weights.
  static constexpr std::string_view optimizer_file = "optimizer.safetensors";
  static constexpr std::string_view ema_file = "ema.safetensors";
  static constexpr std::string_view config_file = "config.json";
  /// What makes a directory a pipeline, whose transformer is opened.
  static constexpr std::string_view pipeline_file = "model_index.json";

  /// Opens a .safetensors file, an .index.json, a directory that holds model.safetensors,
  /// diffusion_pytorch_model.safetensors, an index, or exactly one .safetensors file besides optimizer and EMA, or the
  /// transformer of a pipeline. A directory with two sets of weights is refused unless the options name one.
  /// Throws io_error (missing, ambiguous, incomplete) and format_error (bytes or index that do not follow the format).
  static Checkpoint open(const std::filesystem::path& path, const CheckpointOptions& options = {}) {
    std::error_code ignored;
    Checkpoint c;
    c.path_ = folder_of(path, options);
    if (std::filesystem::is_directory(c.path_, ignored)) {
      c.weights_ = options.weights.empty() ? detail::weights_in(c.path_) : detail::weights_in(c.path_, options.weights);
      if (std::filesystem::exists(c.path_ / config_file, ignored)) c.read_config();
      c.has_optimizer_ = std::filesystem::exists(c.beside(optimizer_file), ignored);
      c.has_ema_ = std::filesystem::exists(c.beside(ema_file), ignored);
    } else {
      if (!options.weights.empty())
        throw io_error("cannot open '" + options.weights + "' in '" + path.string() +
                       "': that is no directory; give the directory, or the file alone");
      c.weights_ = path;
    }
    std::vector<NamedShape> unknown;
    if (c.weights_.extension() == ".json")
      unknown = c.open_index(options.incomplete);
    else
      c.files_.push_back(Safetensors::open(c.weights_));
    for (const auto& f : c.files_) {
      c.tensors_.insert(c.tensors_.end(), f.tensors().begin(), f.tensors().end());
      c.metadata_.insert(f.metadata().begin(), f.metadata().end());
    }
    if (const auto it = c.metadata_.find("config"); c.config_.empty() && it != c.metadata_.end())
      c.config_ = it->second;
    c.name_tensors(std::move(unknown));
    return c;
  }

  /// Tensors in file order, shard after shard.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  /// Names, types and shapes in the same order; behind them, names of tensors whose files are missing.
  const Names& names() const { return names_; }
  /// A tensor whose file is there, by its name with or without prefix().
  const TensorView* find(std::string_view name) const {
    const auto* entry = names_.find(prefix_.without(name));
    return entry && entry->known ? &tensors_[std::size_t(entry - &names_[0])] : nullptr;
  }
  /// Throws format_error with the nearest names.
  const TensorView& tensor(std::string_view name) const {
    const auto& entry = names_.at(prefix_.without(name));
    if (!entry.known) throw io_error(path_.string() + ": the file of tensor '" + entry.name + "' is missing");
    return tensors_[std::size_t(&entry - &names_[0])];
  }
  /// What wrappers put before the names in the files.
  const NamePrefix& prefix() const { return prefix_; }
  /// Files that the index names and that are not there; only of one that was opened all the same.
  const std::vector<std::string>& missing_files() const { return missing_; }
  std::uint64_t total_bytes() const {
    std::uint64_t n = 0;
    for (const auto& t : tensors_) n += t.bytes;
    return n;
  }

  /// What was opened.
  const std::filesystem::path& path() const { return path_; }
  /// The file or index with the weights.
  const std::filesystem::path& weights_path() const { return weights_; }
  /// The safetensors files, in shard order.
  const std::vector<Safetensors>& files() const { return files_; }
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

  /// Lets the memory pages of a tensor leave this process after use (bounded memory); the view stays valid.
  void release(const TensorView& tensor) const noexcept {
    for (const auto& f : files_)
      if (const auto* mine = f.find(prefix_.with(tensor.name))) f.release(*mine);
  }

 private:
  /// The folder of a pipeline that is meant.
  static std::filesystem::path folder_of(const std::filesystem::path& path, const CheckpointOptions& options) {
    std::error_code ignored;
    const bool pipeline = std::filesystem::exists(path / pipeline_file, ignored);
    if (!pipeline && options.component.empty()) return path;
    const std::string component = options.component.empty() ? "transformer" : options.component;
    if (!pipeline || component.find_first_of("/\\") != component.npos || component.starts_with('.') ||
        !std::filesystem::is_directory(path / component, ignored))
      throw io_error("cannot open the component '" + component + "' of '" + path.string() + "': " +
                     (pipeline ? "there is no such folder; name one of its folders"
                               : "that is no pipeline (it has no model_index.json); give its folder alone"));
    return path / component;
  }

  /// A file of the folder, or the index of its shards. Throws io_error where both are there.
  std::filesystem::path beside(std::string_view name) const {
    const auto file = path_ / name, index = path_ / (std::string(name) + ".index.json");
    std::error_code ignored;
    if (!std::filesystem::exists(index, ignored)) return file;
    if (std::filesystem::exists(file, ignored))
      throw io_error("cannot open '" + path_.string() + "' as a checkpoint: it has both '" + std::string(name) +
                     "' and an index of its shards; remove the old one");
    return index;
  }

  void read_config() {
    const auto file = path_ / config_file;
    config_ = detail::read_file(file);
    if (config_.starts_with("\xEF\xBB\xBF")) config_.erase(0, 3);  // Windows editors put a byte order mark there
    if (config_.find_first_not_of(" \t\r\n") == config_.npos)
      throw format_error(file.string() + ": the file is empty (" + std::to_string(std::filesystem::file_size(file)) +
                         " bytes); fetch it again");
  }

  /// Tensors that only the index names. Throws io_error that lists missing files, unless they are accepted.
  std::vector<NamedShape> open_index(Incomplete incomplete) {
    const detail::ShardIndex index(weights_);
    std::vector<NamedShape> unknown;
    for (const auto& [file, names] : index.files()) {
      if (index.exists(file)) continue;
      missing_.push_back(file);
      for (const auto& name : names) unknown.push_back(NamedShape{.name = name, .known = false});
    }
    if (!missing_.empty() && incomplete == Incomplete::refuse)
      throw io_error("cannot read '" + weights_.string() + "': of the " + std::to_string(index.files().size()) +
                     " files that it names, " + detail::quoted_list(missing_) +
                     (missing_.size() == 1 ? " is" : " are") + " missing; fetch what is missing, too");
    for (const auto& [file, names] : index.files())
      if (index.exists(file)) files_.push_back(index.open(file));
    return unknown;
  }

  /// Takes the prefix off all names.
  void name_tensors(std::vector<NamedShape> unknown) {
    std::vector<std::string_view> all;
    for (const auto& t : tensors_) all.push_back(t.name);
    for (const auto& t : unknown) all.push_back(t.name);
    prefix_ = NamePrefix(all);
    std::vector<NamedShape> entries;
    for (auto& t : tensors_) {
      t.name = prefix_.without(t.name);
      entries.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
    }
    for (auto& t : unknown) {
      t.name = prefix_.without(t.name);
      entries.push_back(std::move(t));
    }
    names_ = Names(std::move(entries), path_.string());
  }

  Checkpoint() = default;
  std::filesystem::path path_, weights_;
  std::vector<Safetensors> files_;
  std::vector<TensorView> tensors_;
  Metadata metadata_;
  Names names_;
  NamePrefix prefix_;
  std::vector<std::string> missing_;
  std::string config_;
  bool has_optimizer_ = false, has_ema_ = false;
};

}  // namespace modelgrow::inline v0
