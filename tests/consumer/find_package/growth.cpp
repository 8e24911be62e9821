// SPDX-License-Identifier: MIT
// Growth of files needs the first of the two libraries alone.
#include <modelgrow/expand.hpp>
#include <modelgrow/families/all.hpp>

int main() {
  const modelgrow::Names none({}, "nothing");
  try {
    modelgrow::family_of(none, "{}", "nothing");
  } catch (const modelgrow::format_error&) {
    return 0;
  }
  return 1;
}
