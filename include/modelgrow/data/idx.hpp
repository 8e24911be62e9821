// SPDX-License-Identifier: MIT
// IDX files (the format of MNIST: big-endian sizes, then bytes), plain or compressed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/data/archive.hpp>
#include <modelgrow/data/digits.hpp>

namespace modelgrow::inline v0 {

/// An array of unsigned bytes with its sizes, slowest first.
struct IdxArray {
  std::vector<int> sizes;
  std::vector<std::uint8_t> bytes;
};

/// Reads one IDX file of unsigned bytes. Throws io_error (missing) or format_error (other type, wrong length, damaged).
inline IdxArray read_idx(const std::filesystem::path& path) {
  ArchiveMember file;
  if (!ArchiveReader(path, ArchiveKind::raw).next(file)) throw format_error(path.string() + ": is empty");
  const auto& b = file.bytes;
  if (b.size() < 4 || b[0] != 0 || b[1] != 0 || b[2] != 8 || b[3] == 0 || b.size() < 4u + 4u * b[3])
    throw format_error(path.string() + ": not an IDX file of unsigned bytes (it starts with 00 00 08 and the number " +
                       "of sizes)");
  IdxArray array;
  double expected = 1;
  for (std::size_t i = 0; i < b[3]; ++i) {
    const std::uint8_t* s = &b[4 + 4 * i];
    array.sizes.push_back(int(std::uint32_t(s[0]) << 24 | s[1] << 16 | s[2] << 8 | s[3]));
    expected *= array.sizes.back();
  }
  array.bytes.assign(b.begin() + 4 + 4 * b[3], b.end());
  if (expected != double(array.bytes.size()))
    throw format_error(path.string() + ": its header promises " + std::to_string(std::int64_t(expected)) +
                       " bytes, it holds " + std::to_string(array.bytes.size()) + "; fetch it again");
  return array;
}

/// Digits from a pair of IDX files. Throws as read_idx, and format_error when they do not belong together.
inline Digits load_digits(const std::filesystem::path& images, const std::filesystem::path& labels) {
  IdxArray pictures = read_idx(images), names = read_idx(labels);
  if (pictures.sizes.size() != 3)
    throw format_error(images.string() + ": " + std::to_string(pictures.sizes.size()) +
                       " sizes, expected 3 (count, height, width); are images and labels swapped?");
  if (names.sizes.size() != 1 || names.sizes[0] != pictures.sizes[0])
    throw format_error(labels.string() + ": expected one label for each of " + std::to_string(pictures.sizes[0]) +
                       " images");
  for (auto label : names.bytes)
    if (label > 9) throw format_error(labels.string() + ": label " + std::to_string(label) + ", expected 0 to 9");
  return Digits{.height = pictures.sizes[1],
                .width = pictures.sizes[2],
                .pixels = std::move(pictures.bytes),
                .labels = std::move(names.bytes)};
}

/// The digits of a folder that holds digits-10k-images-idx3-ubyte.gz and digits-10k-labels-idx1-ubyte.gz.
inline Digits load_digits(const std::filesystem::path& folder) {
  return load_digits(folder / "digits-10k-images-idx3-ubyte.gz", folder / "digits-10k-labels-idx1-ubyte.gz");
}

}  // namespace modelgrow::inline v0
