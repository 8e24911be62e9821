// SPDX-License-Identifier: MIT
// Two translation units that include everything: the linker objects to a definition that is not inline.
#include <modelgrow/version.hpp>

int second();
int main() { return second() == MODELGROW_VERSION_MINOR ? 0 : 1; }
