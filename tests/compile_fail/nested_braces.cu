// SPDX-License-Identifier: MIT
// Valid C++ of which nvcc makes other objects: the inner braces initialise the first field, and nothing the others.
// expect: missing initializer for member 'Space::count'.*'Named::count'.*Base::.*'Named::count'.*heap.*'Named::count'
#include <string>
#include <vector>

struct Space {
  std::vector<long> shape;
  long count;
};
struct Named {
  std::string name;
  std::size_t count;  // as std::string's own sizes, so that nothing narrows
};
struct Members {
  std::vector<Space> spaces;
  std::vector<Named> names;
  Members(long n, std::size_t m) : spaces{{{}, n}}, names{{"weight", m}} {}
};
struct Base : std::vector<Named> {
  explicit Base(std::size_t m) : std::vector<Named>{{.name = "weight", .count = m}} {}
};
std::vector<Named>* on_the_heap(std::size_t m) { return new std::vector<Named>{{"weight", m}}; }
