// SPDX-License-Identifier: MIT
// Folders of torch.distributed.checkpoint: .metadata says of every tensor which boxes of it stand where in the files of
// the ranks (__0_0.distcp ..), each a small archive of torch.save; other values stand whole in the file of any rank.
// A run that is two of them, `model` and `optim`, is read as one whose first keys are these names.
#pragma once
#include <map>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>

namespace modelgrow::inline v0 {

class DcpFolder {
 public:
  /// What was saved under one name, and the keys that led to it ("optim", "state", "blocks.0.weight", "exp_avg").
  struct Item {
    NamedShape about = {};  ///< type and shape of tensors
    std::vector<std::string> keys = {};
    bool is_tensor = false;
    std::vector<std::pair<Shape, Shape>> boxes = {};  ///< where they begin, their sizes
    /// "optim/state" of the first keys.
    std::string keys_before(std::size_t n) const;
  };

  static constexpr std::string_view metadata_file = ".metadata";

  /// Reads .metadata, or those of both folders of a run. Throws io_error where it or a file of a rank is missing, and
  /// format_error: not such a file, or the file of a rank has another size than .metadata says (it is cut, or of
  /// another save).
  static DcpFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<Item>& items() const { return items_; }
  /// In which folder below path() lies what these keys lead to: "model" or "optim" of a run, otherwise "".
  std::string folder_of(const std::string& at) const;
  /// The .metadata of that folder.
  std::filesystem::path metadata(const std::string& at) const { return path_ / folder_of(at) / metadata_file; }
  /// Throws format_error with the nearest names.
  const Item& item(std::string_view name) const;

  /// A tensor of all its boxes. Throws format_error that names the tensor and file: a box that no file has, another
  /// type or size than .metadata says, boxes that overlap or are not all.
  JoinedTensor tensor(const Item& item) const;
  /// A value that is no tensor. Throws format_error.
  PickleValue value(const Item& item) const;

  /// Tensors behind these keys ("model", "app/model"), under the last of their keys. "": those with one key.
  std::vector<JoinedTensor> tensors(const std::string& at) const;

 private:
  struct Place {
    std::string file;
    std::uint64_t offset = 0, size = 0;
  };
  void read(const std::string& below);
  void read_items(const std::string& below, const PickleDict& tensors, const PickleDict* keys);
  void read_places(const std::string& below, const PickleDict& places);
  void open_files();
  TorchFile archive(const Item& item, const Shape* offset) const;

  std::filesystem::path path_;
  std::vector<std::string> folders_;  // of a run
  std::vector<Item> items_;
  std::map<std::string, std::size_t, std::less<>> item_of_;
  std::map<std::string, Place> places_;  // by name and offset
  std::map<std::string, std::shared_ptr<detail::Mapping>> files_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/dcp_inl.hpp>
#endif
