// SPDX-License-Identifier: MIT
// The name of a kernel, as a reader wants it.
#pragma once
#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <typeinfo>

namespace modelgrow::inline v0 {
namespace kernels {

/// The name of a kernel without its namespaces: "ForEach<Add<bf16>>".
template <class Kernel>
std::string name_of() {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(typeid(Kernel).name(), nullptr, nullptr, nullptr), &std::free);
  std::string name = text.get();
  for (const std::string part : {"modelgrow::v0::", "kernels::", " "})
    for (std::size_t at; (at = name.find(part)) != std::string::npos;) name.erase(at, part.size());
  return name;
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
