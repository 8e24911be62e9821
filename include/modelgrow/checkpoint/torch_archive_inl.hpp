// SPDX-License-Identifier: MIT
// The definitions of torch_archive.hpp.
#pragma once
#include <modelgrow/checkpoint/pickle_writer.hpp>
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/zip_writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/crc32.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Records of an archive at the end of a file.
class ArchiveRecords {
 public:
  explicit ArchiveRecords(SegmentedFile& file) : file_(file) {
    file_.add(std::string((zip_alignment - file_.bytes() % zip_alignment) % zip_alignment, '\0'));
    begin_ = file_.bytes();
  }
  std::uint64_t begin() const { return begin_; }

  void add(const std::string& name, std::string text) {
    ZipRecord& r = head(name, text.size());
    r.crc = crc32(0, std::as_bytes(std::span(text)));
    file_.add(std::move(text));
    file_.add(zip_descriptor(r));
  }
  void add(const std::string& name, JoinedTensor tensor) {
    ZipRecord r = head(name, tensor.bytes());
    const auto number = file_.tensors();
    tensors_.emplace_back(records_.size() - 1, number);
    file_.add(std::move(tensor));
    file_.add_late(zip_descriptor(r).size(), [r, number](const SegmentedFile::Sums& sums) mutable {
      r.crc = sums[number];
      return zip_descriptor(r);
    });
  }
  void end() && {
    const auto offset = file_.bytes() - begin_;
    const auto size = zip_directory(records_, headers_, offset).size();
    file_.add_late(size, [records = std::move(records_), headers = std::move(headers_), tensors = std::move(tensors_),
                          offset](const SegmentedFile::Sums& sums) mutable {
      for (const auto& [record, number] : tensors) records[record].crc = sums[number];
      return zip_directory(records, headers, offset);
    });
  }

 private:
  ZipRecord& head(const std::string& name, std::uint64_t size) {
    if (name.size() > 0xFFFF)
      throw format_error("record '" + name.substr(0, 60) + "..' has a name of more than 65535 bytes");
    headers_.push_back(file_.bytes() - begin_);
    ZipRecord& r = records_.emplace_back(ZipRecord{.name = name, .size = size});
    file_.add(zip_local_header(r, headers_.back()));
    r.begin = file_.bytes() - begin_;
    return r;
  }

  SegmentedFile& file_;
  std::uint64_t begin_ = 0;
  std::vector<ZipRecord> records_;
  std::vector<std::uint64_t> headers_;
  std::vector<std::pair<std::size_t, std::size_t>> tensors_;  // record, and number in the file
};

MODELGROW_INLINE std::uint64_t add_torch_archive(SegmentedFile& file, const std::string& folder,
                                                 const PickleValue& root, std::vector<JoinedTensor> tensors) {
  WrittenPickle pickle = write_pickle(root);
  if (pickle.storages.size() != tensors.size())
    throw format_error(folder + ": it has " + std::to_string(pickle.storages.size()) + " storages, and numbers for " +
                       std::to_string(tensors.size()));
  ArchiveRecords records(file);
  records.add(folder + "data.pkl", std::move(pickle.bytes));
  records.add(folder + ".format_version", std::string("1"));
  records.add(folder + ".storage_alignment", std::to_string(zip_alignment));
  records.add(folder + "byteorder", std::string("little"));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const PickleStorage& storage = *pickle.storages[i];
    const auto bytes = std::uint64_t(storage.elements) * std::uint64_t(bits(*storage_dtype(storage.type)) / 8);
    if (bytes != tensors[i].bytes())
      throw format_error(folder + ": storage '" + storage.name() + "' has " + std::to_string(bytes) +
                         " bytes, and tensor '" + tensors[i].name() + "' " + std::to_string(tensors[i].bytes()));
    records.add(folder + "data/" + storage.name(), std::move(tensors[i]));
  }
  records.add(folder + "version", std::string("3\n"));
  const auto begin = records.begin();
  std::move(records).end();
  return begin;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
