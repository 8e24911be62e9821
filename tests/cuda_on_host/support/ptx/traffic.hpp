// SPDX-License-Identifier: MIT
// What the accesses of a warp ask of memory, seen together: sectors of 32 bytes of global memory, passes over the 32
// banks of shared memory. Lanes that come to an instruction for the same time are taken to be there together.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

namespace ptx {

class Traffic {
 public:
  static constexpr int warp_size = 32;
  struct Access {
    int lane;
    std::uint64_t at;
    int bytes;
  };
  /// Of one instruction of a warp; `time` counts how often its lanes have come there.
  struct Key {
    int warp, instruction, time;
    bool shared;
    auto operator<=>(const Key&) const = default;
  };

  void note(const Key& key, const Access& access) { open_[key].push_back(access); }
  /// Eight rows of 16 bytes that are read together.
  void note_rows(std::span<const Access> rows) { add_passes(rows); }
  /// The accesses that were noted are complete.
  void settle() {
    for (const auto& [key, accesses] : open_)
      if (key.shared)
        add_shared(accesses);
      else
        add_global(accesses);
    open_.clear();
  }

  /// Sectors that were asked for, over those that the bytes would fill.
  double sectors_of_ideal() const { return ideal_sectors_ == 0 ? 1 : double(sectors_) / double(ideal_sectors_); }
  /// Passes over the banks beyond one for each 128 bytes, over these.
  double conflicts() const {
    return passes_needed_ == 0 ? 0 : double(passes_ - passes_needed_) / double(passes_needed_);
  }

 private:
  static constexpr std::uint64_t sector = 32, word = 4, banks = 32;

  void add_global(std::span<const Access> accesses) {
    std::set<std::uint64_t> sectors, bytes;
    for (const Access& a : accesses)
      for (std::uint64_t b = a.at; b < a.at + std::uint64_t(a.bytes); ++b) {
        bytes.insert(b);
        sectors.insert(b / sector);
      }
    sectors_ += std::int64_t(sectors.size());
    ideal_sectors_ += std::int64_t((bytes.size() + sector - 1) / sector);
  }
  /// As many lanes as ask for 128 bytes take one pass, if no two need other words of one bank.
  void add_shared(std::span<const Access> accesses) {
    const int lanes = std::min(warp_size, int(banks * word) / std::max(accesses[0].bytes, int(word)));
    for (int first = 0; first < warp_size; first += lanes) {
      std::vector<Access> together;
      for (const Access& a : accesses)
        if (a.lane >= first && a.lane < first + lanes) together.push_back(a);
      if (!together.empty()) add_passes(together);
    }
  }
  void add_passes(std::span<const Access> together) {
    std::array<std::set<std::uint64_t>, banks> words;
    for (const Access& a : together)
      for (std::uint64_t w = a.at / word; w <= (a.at + std::uint64_t(a.bytes) - 1) / word; ++w)
        words[w % banks].insert(w);
    std::size_t passes = 0;
    for (const auto& bank : words) passes = std::max(passes, bank.size());
    passes_ += std::int64_t(passes);
    ++passes_needed_;
  }

  std::map<Key, std::vector<Access>> open_;
  std::int64_t sectors_ = 0, ideal_sectors_ = 0, passes_ = 0, passes_needed_ = 0;
};

}  // namespace ptx
