// SPDX-License-Identifier: MIT
// Reads the PTX that nvcc wrote. What is not known is refused by name, never guessed.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "tests/cuda_on_host/support/ptx/instruction.hpp"
#include "tests/cuda_on_host/support/ptx/memory.hpp"

namespace ptx {

/// The kernels of one file, by the type of what they run, and the constants beside them.
class Module {
 public:
  /// Reads PTX text; its constant arrays come to lie in `memory`. Throws Fault, with the line.
  Module(std::string_view text, Memory& memory);
  static Module of_file(const std::string& path, Memory& memory);

  /// The kernel of this (demangled) name. Throws Fault when the file has none.
  const Entry& kernel(const std::string& name) const;
  /// The kernel that runs `type`, a name that std::type_info gives. Throws Fault when the file has none.
  const Entry& kernel_of(const char* type) const;

 private:
  std::map<std::string, Entry> entries_;  // by demangled name
};

/// The number of instructions of this name in a kernel.
int count(const Entry& entry, std::string_view name);
/// The kernel without the `number`th instruction of this name.
Entry without(Entry entry, std::string_view name, int number);

}  // namespace ptx
