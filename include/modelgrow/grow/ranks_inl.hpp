// SPDX-License-Identifier: MIT
// The definitions of ranks.hpp.
#pragma once
#include <algorithm>
#include <random>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/packed.hpp>
#include <modelgrow/grow/ranks.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Another rank has failed, and says why.
struct OtherRankFailed : error {
  OtherRankFailed() : error("another rank has failed") {}
};

/// The errors that keep their kind on other ranks; each comes behind those that it is one of.
using ToldErrors = std::tuple<error, shape_error, format_error, io_error, plan_error, option_error, check_error,
                              device_error, communication_error>;

/// What a rank tells all others: something, or that it has failed. From `error` on numbers are places in ToldErrors.
enum class Told : std::uint8_t {
  something,
  stopped,      // because of another
  interrupted,  // by what is no exception
  unknown,      // no error of this library
  error
};
inline std::pair<Told, std::string> told(const std::exception_ptr& error_of_this_rank) {
  try {
    std::rethrow_exception(error_of_this_rank);
  } catch (const OtherRankFailed& e) {
    return {Told::stopped, e.what()};
  } catch (const error& e) {
    std::size_t kind = 0;
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      ((kind = dynamic_cast<const std::tuple_element_t<i, ToldErrors>*>(&e) ? i : kind), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<ToldErrors>>());
    return {Told(std::size_t(Told::error) + kind), e.what()};
  } catch (const std::exception& e) {
    return {Told::unknown, e.what()};
  } catch (...) {
    return {Told::interrupted, "it was stopped"};
  }
}
[[noreturn]] inline void throw_told(Told told, const std::string& what) {
  if (told == Told::interrupted) throw interrupted_error(what);
  if (told == Told::unknown) throw std::runtime_error(what);
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    ((told == Told(std::size_t(Told::error) + i) ? throw std::tuple_element_t<i, ToldErrors>(what) : void()), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<ToldErrors>>());
  throw error(what);
}
inline Told kind_of(const std::string& said) { return said.empty() ? Told::something : Told(said[0]); }

}  // namespace detail

MODELGROW_INLINE std::vector<std::string> Ranks::exchange(const std::string& own) {
  ended_ = true;  // unless the others can be reached
  auto said = gather_(own);
  ended_ = std::ranges::any_of(said, [](const auto& s) { return detail::kind_of(s) != detail::Told::something; });
  return said;
}

MODELGROW_INLINE std::vector<std::string> Ranks::all(const std::string& own) {
  if (size_ == 1) return {own};
  auto said = exchange(char(detail::Told::something) + own);
  if (ended_) throw_first(said, nullptr);
  for (auto& s : said) s.erase(0, 1);
  return said;
}

MODELGROW_INLINE std::vector<std::string> Ranks::swap(std::vector<std::string> to) {
  if (size_ == 1) return to;
  all();  // so that one that has failed does not leave the others in the midst of it
  ended_ = true;
  auto from = swap_(to);
  ended_ = false;
  return from;
}

MODELGROW_INLINE void Ranks::together(const std::function<void()>& f) {
  if (size_ == 1) return f();
  try {
    f();
    all();
  } catch (...) {
    if (ended_) throw;
    fail(std::current_exception());
  }
}

MODELGROW_INLINE void Ranks::fail(const std::exception_ptr& why) {
  if (!meeting_.empty()) (void)::truncate(meeting_.c_str(), 0);  // needs no room on a full disk
  const auto [kind, what] = detail::told(why);
  throw_first(exchange(char(kind) + what), why);
}

/// Throws the error of the first rank that has one of its own; on that rank, one that is not of this library as it is.
MODELGROW_INLINE void Ranks::throw_first(const std::vector<std::string>& said, const std::exception_ptr& own) const {
  using detail::Told, detail::kind_of;
  auto first = std::ranges::find_if(said, [](const auto& s) { return kind_of(s) > Told::stopped; });
  if (first == said.end())
    first = std::ranges::find_if(said, [](const auto& s) { return kind_of(s) == Told::stopped; });
  const auto rank = first - said.begin();
  const bool same = std::ranges::count(said, *first) == size_;
  if (own && (same || (rank == rank_ && kind_of(*first) < Told::error))) std::rethrow_exception(own);
  detail::throw_told(kind_of(*first), "rank " + std::to_string(rank) + ": " + first->substr(1));
}

MODELGROW_INLINE void Ranks::agree(const Facts& facts) {
  if (size_ == 1) return;
  detail::Packer own;
  for (const auto& [name, text] : facts) own << text;
  const auto said = all(own.text());
  for (std::size_t r = 1; r < said.size(); ++r) {
    detail::Unpacker its(said[r]), wanted(said[0]);
    for (const auto& [name, text] : facts) {
      std::string a, b;
      its >> a;
      wanted >> b;
      if (a != b)
        throw plan_error("rank " + std::to_string(r) + " came with another " + name +
                         " than rank 0; start all ranks with the same command, where they see the same files");
    }
  }
}

MODELGROW_INLINE void Ranks::meet_in(const std::filesystem::path& folder) {
  if (size_ == 1) return;
  const auto file = folder / meeting_file;
  if (first()) {
    std::random_device random;
    mark_ = std::to_string(random()) + "-" + std::to_string(random());
    detail::write_file(file, mark_);
  }
  mark_ = all(mark_)[0];
  std::error_code missing;
  const bool seen = std::filesystem::exists(file, missing) && detail::read_file(file) == mark_;
  const auto saw = all(seen ? "1" : "0");
  for (std::size_t r = 0; r < saw.size(); ++r)
    if (saw[r] == "0")
      throw io_error("rank " + std::to_string(r) + " does not see what rank 0 writes into '" + folder.string() +
                     "'; write where all ranks see the same folder");
  meeting_ = file;
  if (watch_.met) watch_.met();
}

MODELGROW_INLINE void Ranks::leave() {
  if (std::error_code gone; !meeting_.empty()) std::filesystem::remove(meeting_, gone);
  meeting_.clear();
}

MODELGROW_INLINE bool Ranks::claim(const std::string& name) {
  if (size_ == 1) return true;
  const auto file = meeting_.parent_path() / (claim_file + mark_ + "-" + name);
  if (detail::open_file(file, O_CREAT | O_EXCL | O_WRONLY)) return true;
  if (errno != EEXIST) detail::throw_io("write", file);
  return false;
}

MODELGROW_INLINE void Ranks::check() {
  if (meeting_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < std::chrono::milliseconds(100)) return;
    looked_ = now;
  }
  struct stat info {};
  const detail::Descriptor file = detail::open_file(meeting_, O_RDONLY);  // asks the server, where there is one
  if (file && ::fstat(file.get(), &info) == 0 && info.st_size == 0) throw detail::OtherRankFailed();
}

}  // namespace modelgrow::inline v0
