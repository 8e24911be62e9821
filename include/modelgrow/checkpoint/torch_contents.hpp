// SPDX-License-Identifier: MIT
// The two forms of a file of torch.save, zip archive and (before torch 1.6) a row of pickles: its pickle, and where the
// numbers of each storage are.
#pragma once
#include <cstring>
#include <unordered_map>

#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/zip_directory.hpp>

namespace modelgrow::inline v0::detail {

inline bool is_archive(std::string_view head) { return head.starts_with("PK\x03\x04"); }
/// PROTO 2, and an integer of ten bytes: what the old form begins with.
inline constexpr std::string_view legacy_head = "\x80\x02\x8a\x0a";

/// A file of torch, read but for its numbers.
class TorchContents {
 public:
  Pickle pickle;
  std::unordered_map<std::string, std::span<const std::byte>> storages = {};

  /// `bytes` stand at `offset` of the file `name`. Throws format_error.
  static TorchContents read(std::span<const std::byte> bytes, const std::string& name, std::uint64_t offset) {
    const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 512));
    const Place file{.bytes = bytes, .name = name, .offset = offset};
    if (is_archive(head)) return archive(file);
    if (head.starts_with(legacy_head)) return legacy(file);
    if (head.starts_with('\x80')) return plain(file);
    throw format_error(
        name + ": this is no file of torch.save" +
        (head.starts_with("GGUF")                      ? "; it is a GGUF file: convert it to safetensors first"
         : head.starts_with("version https://git-lfs") ? "; it is a Git LFS pointer: fetch it with `git lfs pull`"
         : head.size() > 9 && head[8] == '{'           ? "; it looks like safetensors: give it that ending"
         : head.size() >= 262 && head.substr(257).starts_with("ustar")
             ? "; it is a tar archive, as torch wrote before version 0.2: load it in torch and save it again"
             : ": the file is cut, altered or of another kind; fetch or write it again"));
  }

 private:
  struct Place {
    std::span<const std::byte> bytes;
    const std::string& name;
    std::uint64_t offset;
  };

  static TorchContents archive(const Place& file) {
    const ZipDirectory zip(file.bytes, file.name);
    if (zip.records().empty()) throw format_error(file.name + ": the archive is empty; fetch or write it again");
    const std::string folder = zip.records()[0].name.substr(0, zip.records()[0].name.find('/')) + "/";
    const auto contents = [&](const ZipRecord& r) { return file.bytes.subspan(r.begin, r.size); };
    const auto* data = zip.find(folder + "data.pkl");
    if (zip.find(folder + "constants.pkl"))
      throw format_error(file.name +
                         ": this is a program of TorchScript; load it in torch and save its state_dict() alone");
    if (!data) throw format_error(file.name + ": the archive has no '" + folder + "data.pkl'; torch.save writes one");
    if (const auto* order = zip.find(folder + "byteorder")) {
      const auto text = contents(*order);
      if (std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) != "little")
        throw format_error(file.name +
                           ": its numbers are big-endian; load it in torch on a little-endian machine, "
                           "and save it again");
    }
    TorchContents found{.pickle = read_pickle(contents(*data), file.name, file.offset + data->begin)};
    if (found.pickle.bytes != data->size) behind(file, data->size - found.pickle.bytes);
    for (const auto& storage : found.pickle.storages) {
      const auto* record = zip.find(folder + "data/" + storage->name());
      if (!record) throw format_error(file.name + ": the record of storage '" + storage->name() + "' is missing");
      found.add(*storage, contents(*record), file.name);
    }
    return found;
  }

  /// Magic number, protocol, system, what was saved, keys of the storages; and the storages, each behind the number of
  /// its elements.
  static TorchContents legacy(const Place& file) {
    std::uint64_t at = 0;
    const auto next = [&] {
      auto read = read_pickle(file.bytes.subspan(at), file.name, file.offset + at);
      at += read.bytes;
      return read;
    };
    constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const auto altered = [&](const std::string& what) {
      throw format_error(file.name + ": " + what +
                         "; the file is cut, altered or of another version: load it in torch "
                         "and save it again");
    };
    const Pickle number = next(), protocol = next(), system = next();
    if (const auto* found = number.value.get<PickleLong>(); !found || found->bytes != magic) altered("no magic number");
    if (const auto* found = protocol.value.get<std::int64_t>(); !found || *found != 1001)
      altered("its protocol is not 1001");
    const auto* about = system.value.get<PickleDict>();
    const auto* little = about ? about->find("little_endian") : nullptr;
    if (!little || !little->get<bool>() || !*little->get<bool>())
      throw format_error(file.name +
                         ": its numbers are not said to be little-endian; load it in torch and save it again");
    TorchContents found{.pickle = next()};
    const Pickle keys = next();
    const auto* list = keys.value.get<PickleList>();
    if (!list) altered("its list of storages is " + keys.value.kind());
    std::unordered_map<std::string, const PickleStorage*> known;
    for (const auto& storage : found.pickle.storages) known.emplace(storage->name(), storage.get());
    for (const auto& key : list->values) {
      const auto* text = key.get<std::string>();
      const auto storage = text ? known.find(*text) : known.end();
      if (storage == known.end()) altered("its list of storages has a key that no tensor uses");
      const auto size = std::uint64_t(storage->second->elements) * std::uint64_t(element_bytes(*storage->second));
      std::int64_t elements = -1;
      if (file.bytes.size() - at >= sizeof elements) std::memcpy(&elements, file.bytes.data() + at, sizeof elements);
      at += sizeof elements;
      if (elements != storage->second->elements || at > file.bytes.size() || size > file.bytes.size() - at)
        altered("storage '" + *text + "' is not whole");
      found.add(*storage->second, file.bytes.subspan(std::exchange(at, at + size), size), file.name);
    }
    for (const auto& [key, storage] : known)
      if (!found.storages.contains(key)) altered("storage '" + key + "' is missing");
    if (at != file.bytes.size()) behind(file, file.bytes.size() - at);
    return found;
  }

  static TorchContents plain(const Place& file) {
    TorchContents found{.pickle = read_pickle(file.bytes, file.name, file.offset)};
    if (found.pickle.bytes != file.bytes.size()) behind(file, file.bytes.size() - found.pickle.bytes);
    if (!found.pickle.storages.empty()) throw format_error(file.name + ": a pickle alone has no storages for tensors");
    return found;
  }

  [[noreturn]] static void behind(const Place& file, std::uint64_t n) {
    throw format_error(file.name + ": behind its pickle are " + std::to_string(n) +
                       " bytes that nothing refers to; fetch or write it again");
  }
  static int element_bytes(const PickleStorage& storage) { return bits(*storage_dtype(storage.type)) / 8; }

  void add(const PickleStorage& storage, std::span<const std::byte> bytes, const std::string& name) {
    const auto size = std::uint64_t(element_bytes(storage));
    if (bytes.size() % size || bytes.size() / size != std::uint64_t(storage.elements))
      throw format_error(name + ": storage '" + storage.name() + "' has " + std::to_string(bytes.size()) +
                         " bytes; its " + std::to_string(storage.elements) + " elements need " + std::to_string(size) +
                         " each: the file is cut or altered; fetch or write it again");
    if (!storages.emplace(storage.name(), bytes).second)
      throw format_error(name + ": storage '" + storage.name() + "' is there twice");
  }
};

}  // namespace modelgrow::inline v0::detail
