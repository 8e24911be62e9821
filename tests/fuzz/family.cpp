// SPDX-License-Identifier: MIT
// Family texts: a file made to fit one has a schema with the shapes of the file, or is refused.
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/family.hpp>
#include <tests/fuzz/support/fitting.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const Family family(text);
    const auto read = [&](const detail::Renames& layout) {
      const Names names = fitting_names(family.text(), family.text().constants, layout);
      const Schema schema = family.schema(names, "{}", "fuzz");
      must(schema.parameters.size() == names.size(), "every tensor has its line");
      for (const auto& p : schema.parameters) must(names.at(p.name).shape == p.shape(), "shapes are those of the file");
      must(keeps_what_is_stated(schema, "{}"), "what did not grow changes nothing that config.json states");
    };
    refuses([&] { read(family.text().native); });
    read({});
  });
}
