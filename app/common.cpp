#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"

namespace graft::app {

std::pair<std::string, std::string> split_at_equals(const std::string& flag, const std::string& text) {
  size_t at = text.rfind('=');
  GRAFT_CHECK_AS(UsageError, at != std::string::npos && at > 0, flag, " ", printable(text),
                 ": NAME=VALUE is expected");
  return {text.substr(0, at), text.substr(at + 1)};
}

void add_channels(CLI::App& command, std::optional<int64_t>& channels) {
  command
      .add_option("--channels", channels,
                  "of pictures: 1 (grey), 3, or 4 (with alpha), whatever the weights were published for "
                  "(docs/channels.md)")
      ->type_name("N");
}

void ComputeOptions::add_to(CLI::App& command) {
  command.add_option("--device", device, "what computes: cpu, cuda or cuda:N; `graft doctor` lists them")
      ->type_name("D")
      ->capture_default_str();
  command.add_option("--precision", precision, "f32, or on a CUDA device bf16 (docs/precision.md)")
      ->type_name("P")
      ->capture_default_str();
}

transfer::Compute ComputeOptions::take() const {
  transfer::Compute compute{transfer::parse_device(device), transfer::parse_precision(precision)};
  transfer::check(compute);
  return compute;
}

void TableFlags::add_to(CLI::App& command) {
  command.add_option("--text-column", table.text, "of a table: the texts' column, by name or number")
      ->type_name("COL");
  command.add_option("--pair-column", table.pair, "of a table: the second texts' column")->type_name("COL");
  command.add_option("--label-column", table.label, "of a table: the labels' column")->type_name("COL");
  command.add_option("--format", format, "of a table: csv, tsv, jsonl or label; unset, by its name")
      ->type_name("F");
  command.add_flag("--header", header, "the table's first row names the columns");
  command.add_flag("--no-header", no_header, "the table's first row is data already");
}

data::TableOptions TableFlags::take() const {
  using Header = data::TableOptions::Header;
  GRAFT_CHECK_AS(UsageError, !header || !no_header, "either --header or --no-header");
  data::TableOptions out = table;
  out.header = header ? Header::yes : no_header ? Header::no : Header::automatic;
  out.format = data::parse_table_format(format);
  return out;
}

void Common::add_to(CLI::App& command) {
  command.add_option("--json", json, "write the figures to this file as JSON (docs/json.md)")
      ->type_name("FILE");
  command
      .add_option("--threads", threads,
                  "threads that compute, 1 to 256; unset, GRAFT_THREADS or one per processor")
      ->type_name("N");
}

void Common::apply() const {
  if (!threads.empty()) {
    int count = 0;
    auto [end, error] = std::from_chars(threads.data(), threads.data() + threads.size(), count);
    bool number = error == std::errc() && end == threads.data() + threads.size();
    GRAFT_CHECK_AS(UsageError, number && count >= 1 && count <= 256, "--threads ", printable(threads),
                   ": a number from 1 to 256 is expected");
    set_threads(count);
  }
  if (!json.empty()) require_writable(json);
}

void Common::write(const std::string& text) const {
  if (json.empty()) return;
  write_file(json, text);
  say(str("wrote ", json));
}

}  // namespace graft::app
