// SPDX-License-Identifier: MIT
// Runs an example program in a shell and keeps what it says.
#pragma once
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include <tests/support/catch.hpp>

namespace modelgrow::testing {

struct ProgramResult {
  int code = 0;
  std::string output;  // and errors
};

/// Runs a program with one thread in a shell; `before` comes first ("ulimit -f 10;").
inline ProgramResult run(const std::string& command, const std::string& before = "") {
  const std::string line = "{ " + before + " OMP_NUM_THREADS=1 exec " MODELGROW_PROGRAMS "/" + command + "; } 2>&1";
  FILE* pipe = ::popen(line.c_str(), "r");
  REQUIRE(pipe);
  ProgramResult r;
  std::array<char, 4096> buffer;
  while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) r.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  r.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return r;
}

}  // namespace modelgrow::testing
