// graft kernels: looks inside the CUDA kernels, on the simulated GPU: what each asks of the memory, counted
// exactly, and who touches what.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/access_drawing.h"
#include "app/command.h"
#include "app/console.h"
#include "app/kernel_examples.h"
#include "app/source_places.h"
#include "core/error.h"
#include "core/nearest.h"
#include "kernels/cuda/sim/watch.h"

namespace graft::app {
namespace {

const char* const kExplained =
    "Sectors: distinct pieces of 32 bytes of global memory that one load or store of a warp needs, on "
    "average; 4\n"
    "is what 32 floats side by side take, 16 what 32 times 16 bytes take. Conflicts: passes that shared "
    "memory\n"
    "needs beyond the first, because lanes wanted different words of one bank.\n"
    "With the name of an example: each of its load and store instructions too, with a drawing of its first\n"
    "request. Lanes are 0-9 and a-v, a character is 4 bytes; | stands between neighbouring sectors, ~ for a "
    "gap.";

double per_request(const sim::Traffic& t) {
  return t.requests == 0 ? 0 : static_cast<double>(t.sectors) / static_cast<double>(t.requests);
}

std::string thousands(int64_t bytes) {
  return fixed(static_cast<double>(bytes) * 1e-3, 1);
}

std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}
std::string left(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, text.size()), ' ');
}

std::string heading() {
  return left("kernel", 34) + right("read, kB", 10) + right("sectors", 9) + right("written, kB", 13) +
         right("sectors", 9) + right("shared loads", 14) + right("conflicts", 11) + right("barriers", 10);
}

std::string row(const std::string& kernel, const sim::Counters& c) {
  return left(kernel, 34) + right(thousands(c.global_load.bytes + c.bulk_bytes), 10) +
         right(fixed(per_request(c.global_load), 1), 9) + right(thousands(c.global_store.bytes), 13) +
         right(fixed(per_request(c.global_store), 1), 9) + right(str(c.shared_load.requests), 14) +
         right(str(c.shared_load.conflicts + c.shared_store.conflicts), 11) + right(str(c.barriers), 10);
}

nlohmann::ordered_json json_of(const sim::Traffic& t, bool shared) {
  nlohmann::ordered_json json = {{"bytes", t.bytes}, {"requests", t.requests}};
  json[shared ? "conflicts" : "sectors"] = shared ? t.conflicts : t.sectors;
  return json;
}

nlohmann::ordered_json json_of(const sim::Counters& c) {
  return {{"launches", c.launches},
          {"barriers", c.barriers},
          {"atomics", c.atomics},
          {"global_load", json_of(c.global_load, false)},
          {"global_store", json_of(c.global_store, false)},
          {"bulk_bytes", c.bulk_bytes},
          {"shared_load", json_of(c.shared_load, true)},
          {"shared_store", json_of(c.shared_store, true)}};
}

void say_instruction(const sim::Instruction& i, const std::string& place) {
  const sim::Traffic& t = i.traffic;
  std::string cost =
      i.shared ? str(t.conflicts, " conflicts") : str(fixed(per_request(t), 1), " sectors a request");
  say("");
  say(str("  ", i.store ? "store to " : "load from ", i.shared ? "shared" : "global", " memory, ", i.bytes,
          " bytes a thread: ", t.requests, " requests, ", cost, "   ", place));
  for (const std::string& line : draw_access(i)) say("      " + line);
}

void say_instructions(std::vector<sim::Instruction> instructions) {
  auto earlier = [](const sim::Instruction& a, const sim::Instruction& b) {  // by address
    return std::pair(a.code.size(), a.code) < std::pair(b.code.size(), b.code);
  };
  std::sort(instructions.begin(), instructions.end(), earlier);
  std::vector<std::string> codes;
  for (const sim::Instruction& i : instructions) codes.push_back(i.code);
  std::vector<std::string> places = source_places(codes);
  for (size_t i = 0; i < places.size(); ++i) say_instruction(instructions[i], places[i]);
}

struct Kernels {
  std::string name;
  Common common;

  int run() const {
    common.apply();
    if constexpr (!sim::kWatchBuilt) {
      fail<DeviceError>(
          "this build has no simulator to look into kernels with; `./run kernels` makes one that has");
    } else {
      std::vector<KernelExample> examples = kernel_examples();
      std::vector<std::string> names;
      for (const KernelExample& e : examples) names.push_back(e.name);
      bool known = name.empty() || std::find(names.begin(), names.end(), name) != names.end();
      GRAFT_CHECK_AS(UsageError, known, "no example is called ", printable(name), did_you_mean(name, names),
                     "; without a name they are listed");
      nlohmann::ordered_json json;
      for (const KernelExample& e : examples) {
        if (name.empty() || e.name == name) json[e.name] = look_into(e);
      }
      common.write(json.dump(2) + "\n");
      return 0;
    }
  }

 private:
  nlohmann::ordered_json look_into(const KernelExample& example) const {
    std::function<void()> work = example.prepare({Device::Type::cuda, 0});
    sim::Watch watch;
    work();
    say(str(example.name, ": ", example.sizes));
    say("  " + heading());
    nlohmann::ordered_json json;
    for (const auto& [kernel, record] : watch.kernels()) {
      say("  " + row(kernel, record.counters));
      json[kernel] = json_of(record.counters);
    }
    if (!name.empty()) {
      for (const auto& [kernel, record] : watch.kernels()) {
        say("");
        say(kernel);
        say_instructions(record.instructions);
      }
    }
    for (const std::string& report : watch.reports()) say(report);
    say("");
    return json;
  }
};

}  // namespace

void add_kernels(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("kernels", "looks inside the CUDA kernels, on the simulated GPU");
  command->footer(kExplained);
  auto kernels = std::make_shared<Kernels>();
  command->add_option("name", kernels->name, "an example, such as softmax; unset: all, in short")
      ->type_name("NAME");
  kernels->common.add_to(*command);
  command->callback([kernels, &action] { action = [kernels] { return kernels->run(); }; });
}

}  // namespace graft::app
