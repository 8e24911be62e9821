// SPDX-License-Identifier: MIT
// config.json: read by every family on a file made to fit it, and by every model that the library runs. A configuration
// that a model reads is written as one that reads the same.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/models/bert_config.hpp>
#include <modelgrow/models/llama_json.hpp>
#include <modelgrow/models/stdit_json.hpp>
#include <modelgrow/models/t5_config.hpp>
#include <tests/fuzz/support/fitting.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// What a family makes of the configuration of a file that fits it, and what is told of contradictions.
void read_as(const Family& family, std::string_view config) {
  const Names names = fitting_names(family.text(), family.text().constants);
  refuses([&] {
    const Schema schema = family.schema(names, config, "fuzz");
    must(contradictions(schema, config, "fuzz").empty(), "a configuration that is accepted contradicts nothing");
    must(keeps_what_is_stated(schema, config), "what did not grow changes nothing that config.json states");
  });
  const Schema trusted = family.schema(names, config, "fuzz", Trust::file);
  contradictions(trusted, config, "fuzz");
  for (const auto& p : trusted.parameters)
    if (const auto* file = names.find(p.name)) must(file->shape == p.shape(), "shapes are those of the file");
}

template <class Config>
bool reads(std::string_view text, Config& config) {
  return !refuses([&] { read_config(config, text, "fuzz"); });
}

/// Whether a model of the library reads it.
bool read_as_model(std::string_view text) {
  LlamaConfig llama;
  BertConfig bert;
  T5Config t5;
  StditConfig stdit;
  bool read = reads(text, llama);
  read |= reads(text, bert);
  read |= reads(text, t5);
  if (!reads(text, stdit)) return read;
  StditConfig again;
  read_config(again, config_text(stdit), "written");
  must(again == stdit, "a configuration of STDiT comes back from its text");
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const bool read = read_as_model(text);
    for (const auto& family : known_families())
      if (family.claims(text) && (!refuses([&] { read_as(family, text); }) || read)) return;
    if (!read) throw format_error("no family and no model reads it");
  });
}
