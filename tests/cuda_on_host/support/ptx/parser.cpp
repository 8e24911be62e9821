// SPDX-License-Identifier: MIT
// PTX as nvcc prints it: an instruction or a declaration a line.
#include "tests/cuda_on_host/support/ptx/parser.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <unordered_map>

#include "tests/cuda_on_host/support/ptx/operations.hpp"

namespace ptx {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

/// What does not compute, how many results it has, and how many operands.
struct Known {
  Action action;
  int results = 0, operands = 0;
};
const std::unordered_map<std::string, Known> known{
    {"bra", {Action::jump}},
    {"bra.uni", {Action::jump}},
    {"ret", {Action::leave}},
    {"bar.sync", {Action::sync, 0, 1}},
    {"bar.warp.sync", {Action::sync_warp, 0, 1}},
    {"shfl.sync.bfly.b32", {Action::shuffle, 2, 4}},
    {"ldmatrix.sync.aligned.m8n8.x1.shared.b16", {Action::load_matrix, 1, 1}},
    {"ldmatrix.sync.aligned.m8n8.x2.shared.b16", {Action::load_matrix, 2, 1}},
    {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", {Action::load_matrix, 4, 1}},
    {"ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16", {Action::load_matrix_transposed, 1, 1}},
    {"ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16", {Action::load_matrix_transposed, 2, 1}},
    {"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", {Action::load_matrix_transposed, 4, 1}},
    {"movmatrix.sync.aligned.m8n8.trans.b16", {Action::transpose_matrix, 1, 1}},
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", {Action::multiply_16_8_16, 4, 10}},
    {"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", {Action::multiply_16_8_8, 4, 7}},
    {"cp.async.cg.shared.global", {Action::copy_async, 0, 4}},
    {"cp.async.commit_group", {Action::commit_copies}},
    {"cp.async.wait_group", {Action::wait_copies, 0, 1}},
};
const std::unordered_map<std::string, Space> spaces{
    {"param", Space::parameter}, {"global", Space::global}, {"shared", Space::shared}, {"local", Space::local}};

/// ld and st with a space, a vector and a type: whether the name is one of theirs, of which then all is known.
bool decode_access(Instruction& i) {
  std::istringstream parts(i.name);
  std::string part;
  std::getline(parts, part, '.');
  if (part != "ld" && part != "st") return false;
  i.action = part == "ld" ? Action::load : Action::store;
  while (std::getline(parts, part, '.')) {
    if (const auto space = spaces.find(part); space != spaces.end())
      i.space = space->second;
    else if (part == "v2" || part == "v4")
      i.count = part[1] - '0';
    else if (part.size() <= 3 && std::string_view("busf").find(part[0]) != std::string_view::npos) {
      i.bytes = std::stoi(part.substr(1)) / 8;
      i.is_signed = part[0] == 's';
    } else if (part != "nc") {  // read through another cache, from memory that no one writes
      return false;
    }
  }
  i.folded = i.space == Space::parameter;
  i.results = i.action == Action::load ? i.count : 0;
  i.operands = i.action == Action::load ? 1 : 1 + i.count;
  return true;
}

/// The operands of an instruction: brackets and braces mark addresses and vectors.
struct Operands {
  std::vector<std::string> texts;
  int vectors = 0;
  bool first_is_vector = false;
  explicit Operands(std::string_view list) {
    std::string current;
    for (const char c : list) {
      if (c == '{') first_is_vector = first_is_vector || (vectors++ == 0 && texts.empty());
      if (c == ',' || c == '|')  // a | p are two results
        texts.push_back(std::exchange(current, {}));
      else if (std::string_view("{}[]; \t").find(c) == std::string_view::npos)
        current += c;
    }
    if (!current.empty()) texts.push_back(current);
  }
};

/// Makes an Entry of the lines of a kernel.
class Builder {
 public:
  Builder(Entry& entry, const std::string& name, const std::map<std::string, std::uint64_t>& symbols)
      : entry_(entry), parameters_(name + "_param_"), symbols_(symbols) {
    entry_.registers.resize(specials);
    registers_ = {
        {"%tid.x", thread_index}, {"%ctaid.x", block_index}, {"%nctaid.x", block_count}, {"%ntid.x", block_threads}};
  }
  void label(const std::string& name) { labels_[name] = int(entry_.code.size()); }
  void local(std::size_t bytes) { entry_.local_bytes = bytes; }

  void instruction(const std::string& text, int line) {
    Instruction i;
    i.text = text;
    i.line = line;
    std::istringstream words(text);
    std::string word;
    words >> word;
    if (word[0] == '@') {
      i.guard_value = word[1] != '!';
      i.guard = register_of(word.substr(i.guard_value ? 1 : 2), i);
      words >> word;
    }
    if (word.back() == ';') word.pop_back();
    i.name = word;
    std::string rest;
    std::getline(words, rest);
    const Operands operands(rest);
    if (const auto found = known.find(i.name); found != known.end()) {
      i.action = found->second.action;
      i.results = found->second.results;
      i.operands = found->second.operands;
    } else if (!decode_access(i)) {
      const bool vector = operands.vectors > 0;
      const std::string key = i.name + (!vector ? "" : operands.first_is_vector ? " split" : " join");
      const Operation* const found = operation(key);
      if (found == nullptr) refuse(i, "instruction " + key + " is not known");
      i.compute = found->compute;
      i.folded = !vector && (i.name.starts_with("mov.") || i.name.starts_with("cvta.to.global."));
      i.results = found->results;
      i.operands = found->operands;
    }
    if (i.action == Action::jump)
      jumps_.emplace_back(entry_.code.size(), operands.texts.at(0));
    else
      place(i, operands.texts);
    check(i);
    entry_.code.push_back(std::move(i));
  }
  /// To be called after the last line.
  void finish() {
    for (const auto& [at, label] : jumps_) entry_.code[at].target = labels_.at(label);
  }

 private:
  [[noreturn]] void refuse(const Instruction& i, const std::string& why) const {
    throw Fault(entry_.name + ", PTX line " + std::to_string(i.line) + ": " + why + ": " + i.text);
  }
  void place(Instruction& i, const std::vector<std::string>& names) {
    if (names.size() != std::size_t(i.results + i.operands))
      refuse(i, "has " + std::to_string(names.size()) + " operands, not " + std::to_string(i.results + i.operands));
    for (std::size_t k = 0; k < std::size_t(i.results); ++k) i.to[k] = register_of(names[k], i);
    if (i.is_signed && names[0].starts_with("%rd")) i.extended_bytes = 8;
    for (std::size_t k = 0; k < std::size_t(i.operands); ++k) {
      std::string name = names[std::size_t(i.results) + k];
      if (const auto plus = name.find('+', 1); plus != std::string::npos && k < i.offset.size()) {
        i.offset[k] = std::stoll(name.substr(plus + 1));
        name.resize(plus);
      }
      i.from[k] = register_of(name, i);
    }
  }
  /// What the machine takes for granted.
  void check(const Instruction& i) const {
    const auto constant = [&](int k) { return entry_.registers[std::size_t(i.from[std::size_t(k)])]; };
    if (i.action == Action::sync && constant(0) != 0) refuse(i, "only barrier 0, for all threads");
    if (i.action == Action::copy_async && constant(2) != 16) refuse(i, "only copies of 16 bytes");
  }
  int register_of(const std::string& name, const Instruction& i) {
    const auto [at, is_new] = registers_.emplace(name, int(entry_.registers.size()));
    if (is_new) entry_.registers.push_back(name[0] == '%' ? 0xdeadbeefdeadbeef : constant(name, i));
    return at->second;
  }
  std::uint64_t constant(const std::string& name, const Instruction& i) const {
    if (name.size() > 2 && name[0] == '0' && std::string_view("fFdD").find(name[1]) != std::string_view::npos)
      return std::stoull(name.substr(2), nullptr, 16);
    if (name[0] == '-') return std::uint64_t(std::stoll(name, nullptr, 0));
    if (std::isdigit(static_cast<unsigned char>(name[0]))) return std::stoull(name, nullptr, 0);
    if (name.find("__local_depot") == 0 || name.find(parameters_) == 0) return 0;
    const auto symbol = symbols_.find(name);
    if (symbol == symbols_.end()) refuse(i, "operand " + name + " is not known");
    return symbol->second;
  }

  Entry& entry_;
  std::string parameters_;  // what their names begin with
  const std::map<std::string, std::uint64_t>& symbols_;
  std::unordered_map<std::string, int> registers_, labels_;
  std::vector<std::pair<std::size_t, std::string>> jumps_;
};

/// An array of bytes outside of kernels: its name, and where its copy lies.
std::pair<std::string, std::uint64_t> constant_array(const std::string& line, Memory& memory) {
  const auto type = line.find(".b8 ");
  if (type == std::string::npos) throw Fault("only arrays of bytes: " + line);
  std::vector<std::uint8_t> bytes;
  if (const auto open = line.find('{'); open != std::string::npos)
    for (const std::string& value : Operands(line.substr(open)).texts) bytes.push_back(std::uint8_t(std::stoi(value)));
  void* at = memory.allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), static_cast<std::uint8_t*>(at));
  return {line.substr(type + 4, line.find('[', type) - type - 4), reinterpret_cast<std::uint64_t>(at)};
}

}  // namespace

Module Module::of_file(const std::string& path, Memory& memory) {
  std::ifstream in(path);
  if (!in) throw Fault("no file " + path + ": the build makes it, with nvcc");
  return Module(std::string(std::istreambuf_iterator<char>(in), {}), memory);
}

Module::Module(std::string_view text, Memory& memory) {
  std::map<std::string, std::uint64_t> symbols;
  std::string line, name;
  std::unique_ptr<Builder> kernel;
  std::istringstream lines{std::string(text)};
  for (int number = 1; std::getline(lines, line); ++number) {
    line.resize(std::min(line.size(), line.find("//")));
    line.erase(0, line.find_first_not_of(" \t"));
    line.resize(line.find_last_not_of(" \t") + 1);
    if (line.empty()) continue;
    if (const auto entry = line.find(".entry "); entry != std::string::npos) {
      name = line.substr(entry + 7, line.find('(') - entry - 7);
    } else if (line.find(".extern .shared") == 0) {
      const auto type = line.find(".b8 ") + 4;
      symbols[line.substr(type, line.find('[') - type)] = 0;  // all of shared memory
    } else if (line.find(".global") == 0 || line.find(".const") == 0) {
      symbols.insert(constant_array(line, memory));
    } else if (line == "{" && !name.empty()) {
      const std::string readable = demangled(name.c_str());
      Entry& entry = entries_[readable];
      entry.name = readable;
      kernel = std::make_unique<Builder>(entry, name, symbols);
    } else if (!kernel) {
      continue;
    } else if (line == "}") {
      kernel->finish();
      kernel.reset();
      name.clear();
    } else if (line.find(".local") == 0) {
      kernel->local(std::stoul(line.substr(line.find('[') + 1)));
    } else if (line[0] == '$') {
      kernel->label(line.substr(0, line.find(':')));
    } else if (line[0] != '.') {
      kernel->instruction(line, number);
    }
  }
}

const Entry& Module::kernel(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw Fault("no kernel " + name + " in the PTX");
  return found->second;
}

const Entry& Module::kernel_of(const char* type) const {
  const std::string prefix = "void modelgrow::v0::kernels::run<" + demangled(type);
  for (auto i = entries_.lower_bound(prefix); i != entries_.end() && i->first.starts_with(prefix); ++i) {
    const std::string_view rest = std::string_view(i->first).substr(prefix.size());
    if (rest.starts_with(">(") || rest.starts_with(" >(")) return i->second;
  }
  throw Fault("no kernel for " + demangled(type) + " in the PTX: support/ptx/kernels.cu must use it");
}

int count(const Entry& entry, std::string_view name) {
  return int(std::count_if(entry.code.begin(), entry.code.end(), [&](const Instruction& i) { return i.name == name; }));
}

Entry without(Entry entry, std::string_view name, int number) {
  for (Instruction& i : entry.code)
    if (i.name == name && number-- == 0) {
      i.action = Action::nothing;
      return entry;
    }
  throw Fault(entry.name + " has no further " + std::string(name));
}

}  // namespace ptx
