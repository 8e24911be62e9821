// SPDX-License-Identifier: MIT
// Files of texts and tensors written by windows: the bytes, whatever the size of the windows, checksums, and errors.
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/checkpoint/zip_directory.hpp>
#include <modelgrow/detail/crc32.hpp>
#include <modelgrow/detail/hash64.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A tensor whose bytes count up, from `first` on.
JoinedTensor counting(const std::string& name, std::int64_t elements, int first) {
  return {NamedShape{.name = name, .dtype = DType::i32, .shape = {elements}},
          [first](std::uint64_t begin, std::span<std::byte> out) {
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::byte(std::uint64_t(first) + begin + i);
          }};
}

std::vector<std::byte> bytes_of(const JoinedTensor& t) {
  std::vector<std::byte> bytes(std::size_t(t.bytes()));
  t.read(0, bytes);
  return bytes;
}

std::vector<JoinedTensor> tensors() {
  std::vector<JoinedTensor> all;
  for (const std::int64_t n : {1, 3000, 0, 1024, 5, 20000})
    all.push_back(counting("t" + std::to_string(all.size()), n, 7 * int(all.size())));
  return all;
}

PickleValue root_of(const std::vector<JoinedTensor>& all) {
  PickleDict dict;
  for (std::size_t i = 0; i < all.size(); ++i)
    dict.items.push_back(
        {.key = all[i].name(), .value = torch_tensor(std::to_string(i), all[i].dtype(), all[i].shape())});
  return dict;
}

}  // namespace

TEST_CASE("texts, tensors and what is known late lie one behind the other, in windows of any size") {
  const Scratch scratch;
  const auto t = counting("t", 5000, 3);
  const auto bytes = bytes_of(t);
  detail::SegmentedFile file;
  file.add(std::string(4090, 'a'));
  file.add(std::string());
  file.add(t);
  const auto late = [](const detail::SegmentedFile::Sums& sums) {
    return std::to_string(sums[0]) + std::string(9000, 'z');
  };
  const std::string expected = std::string(4090, 'a') +
                               std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) +
                               late({detail::crc32(0, bytes)}) + "end";
  file.add_late(expected.size() - 4090 - bytes.size() - 3, late);
  file.add("end");
  CHECK(file.bytes() == expected.size());
  for (const std::uint64_t window : {1u, 4096u, 8192u, 1u << 20}) {
    INFO(window);
    std::int64_t reports = 0;
    const auto written = file.write(
        scratch / "file", Existing::replace,
        {.bytes = window, .progress = [&](const ProgressReport& p) { reports = std::max(reports, p.done); }});
    CHECK(get(scratch / "file") == expected);
    CHECK(written.bytes == expected.size());
    CHECK(written.tensors == std::vector<std::uint64_t>{4090});
    CHECK(written.window_bytes == std::max<std::uint64_t>(4096, window));
    CHECK(reports == std::int64_t(written.windows.size()));
    const auto all = std::as_bytes(std::span(expected));
    for (std::size_t w = 0; w < written.windows.size(); ++w) {
      const auto part = all.subspan(w * written.window_bytes);
      CHECK(written.windows[w] == detail::hash64(part.first(std::min(part.size(), std::size_t(written.window_bytes)))));
    }
  }
  CHECK(scratch.entries() == 1);
  CHECK_THROWS_AS(file.write(scratch / "file", Existing::refuse, {}), io_error);
}

TEST_CASE("windows that an earlier try has left stay, and all others are made again") {
  const Scratch scratch;
  detail::SegmentedFile file;
  detail::add_torch_archive(file, "a/", root_of(tensors()), tensors());
  file.write(scratch / "whole", Existing::replace, {});
  const auto lines = [&] {
    const auto text = get(scratch / detail::Journal::file);
    return std::ranges::count(text, '\n');
  };
  const auto write = [&](const Progress& progress = {}) {
    detail::Journal journal(scratch.path(), {{"plan", "1"}});
    const auto before = lines();
    auto written =
        file.write(scratch / "file", Existing::refuse, {.bytes = 4096, .progress = progress, .journal = &journal});
    CHECK(get(scratch / "file") == get(scratch / "whole"));
    return std::pair(lines() - before, std::move(written));
  };
  CHECK_THROWS_AS(write([](const ProgressReport& p) {
                    if (p.done == 9) throw error("stopped");
                  }),
                  error);
  const auto [new_windows, written] = write();
  CHECK(new_windows <= std::int64_t(written.windows.size()) - 9);
  CHECK(write().first == 0);
  for (const std::uint64_t at : {5000u, 41000u}) {
    std::string text = get(scratch / "file");
    text[at] = char(text[at] ^ 1);
    put(scratch / "file", text);
  }
  CHECK(write().first == 2);
  auto text = get(scratch / "file");
  put(scratch / "file", text.substr(0, 9000));  // a disk that has lost the end
  CHECK(write().first == std::int64_t(written.windows.size()) - 2);
  put(scratch / "file", text + "more");
  CHECK(write().first == 0);
}

TEST_CASE("archives of torch behind each other are read, each with its checksums") {
  const auto all = tensors();
  for (const std::uint64_t window : {4096u, 65536u}) {
    const Scratch scratch;
    detail::SegmentedFile file;
    file.add("before");
    const auto first = detail::add_torch_archive(file, "one/", root_of(all), all), end = file.bytes();
    const auto second = detail::add_torch_archive(file, "two/", PickleValue(2.5), {});
    CHECK(first == 64);
    CHECK(second % 64 == 0);
    const auto written = file.write(scratch / "file", Existing::replace, {.bytes = window});
    const std::string text = get(scratch / "file");
    const auto bytes = std::as_bytes(std::span(text));
    put(scratch / "one.pt", text.substr(first, end - first));
    put(scratch / "two.pt", text.substr(second));
    CHECK(*TorchFile::open(scratch / "two.pt").root().get<double>() == 2.5);
    const auto tensors = detail::open_torch_weights(scratch / "one.pt", "").file;
    REQUIRE(tensors.tensors().size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto content = bytes_of(all[i]);
      CHECK(std::ranges::equal(tensors.find(all[i].name())->span(), content));
      CHECK(std::ranges::equal(bytes.subspan(std::size_t(written.tensors[i]), content.size()), content));
      CHECK(written.tensors[i] % 64 == 0);
    }
    const detail::ZipDirectory zip(bytes.subspan(std::size_t(first), std::size_t(end - first)), "one");
    for (const auto& r : zip.records())
      CHECK(r.crc == detail::crc32(0, bytes.subspan(std::size_t(first + r.begin), std::size_t(r.size))));
  }
}

TEST_CASE("what does not fit an archive, and what fails while it is written") {
  const Scratch scratch;
  auto all = tensors();
  detail::SegmentedFile file;
  CHECK(says(message_of<format_error>([&] { detail::add_torch_archive(file, "a/", root_of(all), {}); }), "6 storages",
             "numbers for 0"));
  auto other = all;
  other[1] = counting("other", 4, 0);
  CHECK(says(message_of<format_error>([&] { detail::add_torch_archive(file, "a/", root_of(all), other); }),
             "'1' has 12000", "'other' 16"));
  CHECK(says(message_of<format_error>(
                 [&] { detail::add_torch_archive(file, std::string(70000, 'n') + "/", root_of({}), {}); }),
             "more than 65535 bytes"));
  all[3] = {all[3].about(), [](std::uint64_t, std::span<std::byte>) { throw io_error("the disk of tensor 3 failed"); }};
  detail::SegmentedFile failing;
  detail::add_torch_archive(failing, "a/", root_of(all), all);
  CHECK(message_of<io_error>([&] { failing.write(scratch / "file", Existing::replace, {.bytes = 4096}); }) ==
        "the disk of tensor 3 failed");
  detail::SegmentedFile stopped;
  detail::add_torch_archive(stopped, "a/", root_of(tensors()), tensors());
  const auto stop = [](const ProgressReport& p) {
    if (p.done == 2) throw error("stopped");
  };
  CHECK(message_of<error>([&] {
          stopped.write(scratch / "file", Existing::replace, {.bytes = 4096, .progress = stop});
        }) == "stopped");
  CHECK(scratch.entries() == 0);
}
