// graft embed: texts become vectors.
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "transfer/embed.h"
#include "transfer/label_file.h"

namespace graft::app {
namespace {

using Json = nlohmann::ordered_json;

const char* const kExamples =
    "A text's vector is the mean over its tokens' vectors.\n"
    "Examples:\n"
    "  graft embed --weights all-MiniLM-L6-v2 sentences.txt --normalize --json vectors.json\n"
    "  graft embed --weights bert-base-uncased --text \"a daisy\" --text \"a rose\" --json two.json";

struct Embed {
  std::string weights, input;
  std::vector<std::string> texts;
  transfer::EmbedOptions how;
  Common common;

  int run() {
    common.apply();
    GRAFT_CHECK_AS(UsageError, input.empty() != texts.empty(), "either a file of texts or --text TEXT");
    if (texts.empty()) texts = transfer::lines_of(input, "text", size_t{1} << 30);
    transfer::TextEncoder encoder = transfer::load_text_encoder(weights);
    std::filesystem::path folder = weights;
    if (!std::filesystem::is_directory(folder)) folder = folder.parent_path();
    data::Tokenizer tokenizer = data::open_tokenizer(folder.empty() ? "." : folder.string());

    auto begin = std::chrono::steady_clock::now();
    transfer::Embeddings found;
    {
      Display display;
      found = transfer::embed_texts(*encoder.model, tokenizer, texts, how, display.on_progress());
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    say(str(texts.size(), texts.size() == 1 ? " text, " : " texts, ", found.vectors.dim(1),
            " numbers each, in ", fixed(seconds.count(), 2), " s"));
    if (found.truncated > 0)
      say(str(found.truncated, " longer than the network reads: their ends were cut off"));
    write(found, seconds.count());
    return 0;
  }

 private:
  void write(const transfer::Embeddings& found, double seconds) {
    Json json = {{"embeddings", Json::array()}, {"width", found.vectors.dim(1)}, {"count", texts.size()},
                 {"normalized", how.normalize}, {"truncated", found.truncated},  {"seconds", seconds}};
    const float* values = found.vectors.data<float>();
    for (size_t i = 0; i < texts.size(); ++i) {
      Json row = Json::array();
      for (int64_t c = 0; c < found.vectors.dim(1); ++c) row.push_back(*values++);
      json["embeddings"].push_back(std::move(row));
    }
    common.write(json.dump(1) + "\n");
  }
};

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("embed", "turn texts into vectors (BERT, RoBERTa)");
  command->footer(kExamples);
  auto embed = std::make_shared<Embed>();
  command->add_option("input", embed->input, "a file with a text a line")->type_name("FILE");
  command->add_option("--weights", embed->weights, "a published model's folder")
      ->required()
      ->type_name("DIR");
  command->add_option("--text", embed->texts, "a text; may be given several times")->type_name("TEXT");
  command->add_flag("--normalize", embed->how.normalize, "vectors of length 1");
  command
      ->add_option("--max-length", embed->how.max_length,
                   "tokens of a text that are read; unset, all positions")
      ->type_name("N");
  command->add_option("--batch", embed->how.batch, "texts at a time")->type_name("N")->capture_default_str();
  embed->common.add_to(*command);
  command->callback([embed, &action] { action = [embed] { return embed->run(); }; });
}

}  // namespace graft::app
