// SPDX-License-Identifier: MIT
// Files and directories appear complete or not at all, whatever kills the writer.
#include <csignal>
#include <memory>

#include <sys/wait.h>

#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/resumable_directory.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using detail::AtomicDirectory;
using detail::AtomicFile;

namespace {

/// Runs f in a child process that is killed in the middle of it.
template <class F>
void in_killed_process(F&& f) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    f();
    ::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("a file appears on commit, with the usual permissions") {
  const Scratch scratch;
  {
    AtomicFile f(scratch / "x");
    f.append("hello ");
    f.append("world");
    f.write_at(0, std::as_bytes(std::span("J", 1)));
    CHECK_FALSE(std::filesystem::exists(scratch / "x"));
    f.commit();
    CHECK(get(scratch / "x") == "Jello world");
  }
  CHECK(get(scratch / "x") == "Jello world");
  CHECK(scratch.entries() == 1);
  put(scratch / "plain", "");
  CHECK(std::filesystem::status(scratch / "x").permissions() ==
        std::filesystem::status(scratch / "plain").permissions());
}

TEST_CASE("a file that is not committed was never there") {
  const Scratch scratch;
  try {
    AtomicFile f(scratch / "x");
    f.append("half");
    AtomicFile moved(std::move(f));
    throw std::runtime_error("interrupted");
  } catch (const std::runtime_error&) {
  }
  CHECK(scratch.entries() == 0);
}

TEST_CASE("a moved file is committed by its new owner only") {
  const Scratch scratch;
  auto first = std::make_unique<AtomicFile>(scratch / "x");
  AtomicFile second(std::move(*first));
  first.reset();
  CHECK(scratch.entries() == 1);
  second.append("whole");
  second.commit();
  CHECK(get(scratch / "x") == "whole");
}

TEST_CASE("what a killed process left is removed by the next writer, what a living one holds is not") {
  const Scratch scratch;
  in_killed_process([&] {
    AtomicFile* f = new AtomicFile(scratch / "x");
    f->append("half");
    AtomicDirectory* d = new AtomicDirectory(scratch / "d");
    put(d->path() / "inside", "half");
  });
  CHECK(scratch.entries() == 2);
  put(scratch / ".y.partial-1-1", "of another target");
  AtomicFile first(scratch / "x");
  AtomicDirectory directory(scratch / "d");
  CHECK(scratch.entries() == 3);
  {
    AtomicFile second(scratch / "x");
    second.append("2");
    CHECK(scratch.entries() == 4);
    second.commit();
  }
  first.append("1");
  first.commit();  // the last commit wins
  CHECK(get(scratch / "x") == "1");
  directory.commit();
  CHECK(scratch.entries() == 3);
}

TEST_CASE("a file that appears meanwhile is not replaced unless asked") {
  const Scratch scratch;
  AtomicFile f(scratch / "x", Existing::refuse);
  f.append("mine");
  put(scratch / "x", "theirs");
  CHECK(says(message_of<io_error>([&] { f.commit(); }), "'" + (scratch / "x").string() + "'"));
  CHECK(get(scratch / "x") == "theirs");
}

TEST_CASE("reading and writing small files") {
  const Scratch scratch;
  detail::write_file(scratch / "x", std::string_view("a\0b", 3));
  CHECK(detail::read_file(scratch / "x") == std::string("a\0b", 3));
  CHECK_THROWS_AS(detail::write_file(scratch / "x", "c", Existing::refuse), io_error);
  CHECK(says(message_of<io_error>([&] { detail::read_file(scratch / "y"); }), "check the path"));
  CHECK_THROWS_AS(detail::read_file(scratch.path()), io_error);
  CHECK_THROWS_AS(detail::write_file(scratch.path(), "c"), io_error);
  CHECK_THROWS_AS(detail::write_file("", "c"), io_error);
  CHECK_THROWS_AS(detail::write_file(scratch / std::string(300, 'x'), "c"), io_error);
  CHECK(scratch.entries() == 1);
}

TEST_CASE("a directory appears whole") {
  const Scratch scratch;
  AtomicDirectory d(scratch / "out/");  // as users type it
  CHECK(d.target() == scratch / "out");
  put(d.path() / "a", "1");
  std::filesystem::create_directory(d.path() / "sub");
  put(d.path() / "sub" / "b", "2");
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  d.commit();
  CHECK(get(scratch / "out/sub/b") == "2");
  CHECK(scratch.entries() == 1);
}

TEST_CASE("a directory that is not committed was never there") {
  const Scratch scratch;
  {
    AtomicDirectory d(scratch / "out");
    put(d.path() / "a", "1");
  }
  CHECK(scratch.entries() == 0);
}

TEST_CASE("a link to a folder stays a link when the folder is replaced") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "big");
  std::filesystem::create_directory(scratch / "big/old");
  put(scratch / "big/old/weights", "1");
  std::filesystem::create_directory_symlink(scratch / "big/old", scratch / "out");
  {
    AtomicDirectory d(scratch / "out", Existing::replace);
    put(d.path() / "weights", "2");
    d.commit();
  }
  CHECK(std::filesystem::is_symlink(scratch / "out"));
  CHECK(get(scratch / "big/old/weights") == "2");
  CHECK(unfinished_path(scratch / "out/") == std::filesystem::canonical(scratch / "big/old").string() + ".partial");
}

TEST_CASE("an existing directory is kept, or replaced as a whole when asked") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "out");
  put(scratch / "out/old", "1");
  CHECK(says(message_of<io_error>([&] { AtomicDirectory(scratch / "out"); }), "choose another name"));
  {
    AtomicDirectory d(scratch / "out", Existing::replace);
    put(d.path() / "new", "2");
    CHECK(get(scratch / "out/old") == "1");
    d.commit();
  }
  CHECK(get(scratch / "out/new") == "2");
  CHECK_FALSE(std::filesystem::exists(scratch / "out/old"));
  CHECK(scratch.entries() == 1);
  put(scratch / "file", "");
  CHECK_THROWS_AS(AtomicDirectory(scratch / "file", Existing::replace), io_error);
  CHECK_THROWS_AS(AtomicDirectory(scratch / "no/out"), io_error);
  {
    AtomicDirectory d(scratch / "late");
    std::filesystem::create_directory(scratch / "late");  // somebody else was faster
    CHECK_THROWS_AS(d.commit(), io_error);
  }
  CHECK(scratch.entries() == 3);
}
