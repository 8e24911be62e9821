// SPDX-License-Identifier: MIT
// Two translation units that include the library: the linker objects to a definition that is not inline.
#include <Eigen/Core>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/version.hpp>

modelgrow::Shape second();

int main() { return second() == modelgrow::Shape{2, 3} ? 0 : 1; }
