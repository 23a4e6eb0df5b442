// graft embed: texts and pictures become vectors.
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "transfer/clip.h"
#include "transfer/embed.h"
#include "transfer/family.h"
#include "transfer/label_file.h"
#include "transfer/picture_files.h"

namespace graft::app {
namespace {

using Json = nlohmann::ordered_json;

const char* const kExamples =
    "A text's vector is the mean over its tokens' vectors, or CLIP's of the text; a picture's is what the\n"
    "network's last layer before the classes takes, or CLIP's of the picture.\n"
    "Examples:\n"
    "  graft embed --weights all-MiniLM-L6-v2 sentences.txt --normalize --json vectors.json\n"
    "  graft embed --weights bert-base-uncased --text \"a daisy\" --text \"a rose\" --json two.json\n"
    "  graft embed --weights clip-vit-base-patch32 holiday-photos --normalize --json photos.json\n"
    "  graft embed --weights resnet50.pth --model resnet50 a.jpg b.jpg --json features.json";

struct Embed {
  std::string weights, model;
  std::vector<std::string> inputs, texts;
  std::optional<int64_t> channels;
  transfer::EmbedOptions how;
  Common common;

  int run() {
    common.apply();
    GRAFT_CHECK_AS(UsageError, inputs.empty() != texts.empty(),
                   "either a file of texts or --text TEXT, or pictures");
    std::string family = model.empty() ? transfer::family_of(weights) : "";
    bool reads = family == "bert" || family == "roberta" || (family == "clip" && !looks());
    // Where nothing says what the weights are: a published text encoder lacks its config.json.
    if (family.empty() && model.empty() && !looks()) reads = true;
    GRAFT_CHECK_AS(UsageError, reads || texts.empty(), "--text needs a BERT, a RoBERTa or a CLIP");
    GRAFT_CHECK_AS(UsageError, !reads || !channels, "--channels ", *channels,
                   ": texts have none; that is of pictures");
    reads ? of_texts(family == "clip") : of_pictures();
    return 0;
  }

 private:
  // Does the input look like pictures: a folder, or files that are called so?
  bool looks() const {
    return std::any_of(inputs.begin(), inputs.end(), [](const std::string& name) {
      return std::filesystem::is_directory(name) || transfer::is_picture(name);
    });
  }

  void of_texts(bool clip) {
    GRAFT_CHECK_AS(UsageError, inputs.size() <= 1, "one file of texts at a time, got ", inputs.size());
    if (texts.empty()) texts = transfer::lines_of(inputs[0], "text", size_t{1} << 30);
    std::filesystem::path folder = weights;
    if (!std::filesystem::is_directory(folder)) folder = folder.parent_path();
    std::string beside = folder.empty() ? "." : folder.string();
    if (clip) {
      transfer::LoadedClip loaded = transfer::load_clip(weights);
      data::Tokenizer tokenizer = data::open_tokenizer(beside);
      tell("text", texts.size(), [&](const auto& on_progress) {
        return transfer::embed_texts(*loaded.model, tokenizer, texts, how, on_progress);
      });
      return;
    }
    transfer::TextEncoder encoder = transfer::load_text_encoder(weights);
    data::Tokenizer tokenizer = data::open_tokenizer(beside);
    tell("text", texts.size(), [&](const auto& on_progress) {
      return transfer::embed_texts(*encoder.model, tokenizer, texts, how, on_progress);
    });
  }

  void of_pictures() {
    std::vector<std::string> files = transfer::picture_files(inputs);
    transfer::PictureEncoder encoder = transfer::open_picture_encoder(weights, model, channels);
    extra["files"] = files;
    tell("picture", files.size(),
         [&](const auto& on_progress) { return transfer::embed_pictures(encoder, files, how, on_progress); });
  }

  template <class F>
  void tell(const char* what, size_t count, F&& embed) {
    auto begin = std::chrono::steady_clock::now();
    transfer::Embeddings found;
    {
      Display display;
      found = embed(display.on_progress());
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    say(str(count, " ", what, count == 1 ? ", " : "s, ", found.vectors.dim(1), " numbers each, in ",
            fixed(seconds.count(), 2), " s"));
    if (found.truncated > 0)
      say(str(found.truncated, " longer than the network reads: their ends were cut off"));
    write(found, count, seconds.count());
  }

  void write(const transfer::Embeddings& found, size_t count, double seconds) {
    Json json = {{"embeddings", Json::array()}, {"width", found.vectors.dim(1)}, {"count", count},
                 {"normalized", how.normalize}, {"truncated", found.truncated},  {"seconds", seconds}};
    json.update(extra);
    const float* values = found.vectors.data<float>();
    for (size_t i = 0; i < count; ++i) {
      Json row = Json::array();
      for (int64_t c = 0; c < found.vectors.dim(1); ++c) row.push_back(*values++);
      json["embeddings"].push_back(std::move(row));
    }
    common.write(json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  Json extra = Json::object();
};

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("embed", "turn texts or pictures into vectors");
  command->footer(kExamples);
  auto embed = std::make_shared<Embed>();
  command->add_option("input", embed->inputs, "a file with a text a line, or pictures, or folders of them")
      ->type_name("FILE...");
  command->add_option("--weights", embed->weights, "a published model's folder, or a file of weights")
      ->required()
      ->type_name("DIR_OR_FILE");
  command->add_option("--model", embed->model, "which picture network the weights are of")->type_name("M");
  add_channels(*command, embed->channels);
  command->add_option("--text", embed->texts, "a text; may be given several times")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  command->add_flag("--normalize", embed->how.normalize, "vectors of length 1");
  command
      ->add_option("--max-length", embed->how.max_length,
                   "tokens of a text that are read; unset, all positions")
      ->type_name("N");
  command->add_option("--batch", embed->how.batch, "texts or pictures at a time")
      ->type_name("N")
      ->capture_default_str();
  embed->common.add_to(*command);
  command->callback([embed, &action] { action = [embed] { return embed->run(); }; });
}

}  // namespace graft::app
