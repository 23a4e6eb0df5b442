// graft generate: text goes on, or becomes other text.
#include "nn/generate.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "data/text/tokenizer.h"
#include "transfer/language.h"

namespace graft::app {
namespace {

using Json = nlohmann::ordered_json;
using Tokens = std::vector<int64_t>;

const char* const kExamples =
    "Tokens are numbers in the network's vocabulary. Of T5 the prompt is the whole text, with its end "
    "token.\n"
    "Examples:\n"
    "  graft generate --weights gpt-nano-sort --tokens 2,0,1,0,1,2 --count 6 --greedy\n"
    "  graft generate --weights gpt2 --prompt \"The dog\" --count 18 --top-k 40 --temperature 0.8 --seed 3\n"
    "  graft generate --weights t5-small --tokens 8774,132,1 --beams 4\n"
    "  graft generate --weights weights.pt --heads 12 --tokens 464,3290 --json out.json";

struct Generate {
  std::string weights, prompt, early_stopping = "no", device = "cpu";
  int64_t heads = 0;
  Tokens tokens;
  Tokens ends;
  bool greedy = false, sample = false, no_end = false;
  nn::Generation how;
  Common common;
  std::optional<data::Tokenizer> tokenizer;  // where the prompt is in words

  int run();

 private:
  void read_prompt(const transfer::Language& language);
  void settle(const nn::LanguageModel& model);
  void show(const std::vector<nn::Generated>& results, const std::string& family, double seconds);
};

nn::EarlyStopping early_stopping_by_name(const std::string& name) {
  if (name == "no") return nn::EarlyStopping::heuristic;
  if (name == "yes") return nn::EarlyStopping::yes;
  if (name == "never") return nn::EarlyStopping::never;
  fail<UsageError>("--early-stopping ", printable(name), ": no, yes or never is expected");
}

std::string text_of(const Tokens& tokens) {
  std::string text;
  for (int64_t token : tokens) text += str(text.empty() ? "" : ",", token);
  return text;
}

// The prompt's tokens, and with what words become tokens and back.
void Generate::read_prompt(const transfer::Language& language) {
  GRAFT_CHECK_AS(UsageError, tokens.empty() != prompt.empty(), "either --prompt TEXT or --tokens LIST");
  if (prompt.empty()) return;
  std::filesystem::path path = weights;
  if (!std::filesystem::is_directory(path)) path = path.parent_path();
  transfer::FileContents files = transfer::carried_files(weights);
  tokenizer = files.empty() ? data::open_tokenizer(path.empty() ? "." : path.string())
                            : data::open_tokenizer_files(weights, files);
  tokenizer->require_rows(language.model->vocabulary(), language.family);
  tokens = tokenizer->encode(prompt).ids;
}

// What follows from several options together, and from the network.
void Generate::settle(const nn::LanguageModel& model) {
  GRAFT_CHECK_AS(
      UsageError, !greedy || (!sample && how.beams == 1),
      "--greedy takes the most probable token each time: leave --sample, --temperature, --top-k, --top-p "
      "and --beams out");
  how.sample = sample;
  how.early_stopping = early_stopping_by_name(early_stopping);
  GRAFT_CHECK_AS(UsageError, ends.empty() || !no_end, "either --end or --no-end");
  how.ends = no_end ? Tokens() : ends.empty() ? model.end_tokens() : ends;
}

int Generate::run() {
  common.apply();
  transfer::Compute compute{transfer::parse_device(device)};
  transfer::check(compute);
  GRAFT_CHECK_AS(UsageError, heads >= 0, "--heads ", heads, ": a positive number is expected");
  early_stopping_by_name(early_stopping);
  transfer::Language language = transfer::load_language(weights, heads);
  read_prompt(language);
  settle(*language.model);
  if (compute.device.is_cuda()) nn::move_to(*language.model, compute.device);

  auto begin = std::chrono::steady_clock::now();
  std::vector<nn::Generated> results;
  {
    Display display;
    auto tell = display.on_progress();
    how.on_step = [&](int64_t done) { tell({.phase = "generate", .done = done, .total = how.count}); };
    results = nn::generate(*language.model, tokens, how);
  }
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  show(results, language.family, seconds.count());
  return 0;
}

void Generate::show(const std::vector<nn::Generated>& results, const std::string& family, double seconds) {
  Json json = {{"tokens", results[0].tokens}, {"prompt_tokens", tokens},  {"ended", results[0].ended},
               {"score", results[0].score},   {"results", Json::array()}, {"family", family}};
  size_t made = 0;
  for (const nn::Generated& g : results) {
    Json result = {{"tokens", g.tokens}, {"ended", g.ended}, {"score", g.score}};
    if (tokenizer) result["text"] = tokenizer->decode(g.tokens);
    say(tokenizer ? result["text"].get<std::string>() : text_of(g.tokens));
    json["results"].push_back(result);
    made += g.tokens.size();
  }
  if (tokenizer) json["text"] = json["results"][0]["text"];
  json["seconds"] = seconds;
  json["tokens_per_second"] = seconds > 0 ? static_cast<double>(made) / seconds : 0;
  json["device"] = to_text(transfer::parse_device(device));
  common.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void add_choice_options(CLI::App& command, Generate& generate) {
  nn::Generation& how = generate.how;
  command.add_flag("--greedy", generate.greedy, "the most probable token each time; the default");
  command.add_flag("--sample", generate.sample, "draw each token; so do the next three options");
  auto draws = [&generate](auto& into) {
    return [&generate, &into](const auto& value) {
      into = value;
      generate.sample = true;
    };
  };
  auto& sampling = how.sampling;
  command
      .add_option_function<double>("--temperature", draws(sampling.temperature),
                                   "below 1: surer, above: freer")
      ->type_name("T");
  command.add_option_function<int64_t>("--top-k", draws(sampling.top_k), "only among the K most probable")
      ->type_name("K");
  command
      .add_option_function<double>("--top-p", draws(sampling.top_p),
                                   "only among the most probable that make up P together")
      ->type_name("P");
  command.add_option("--seed", how.seed, "the same seed draws the same text")->type_name("N");
  command.add_option("--beams", how.beams, "beam search with so many beams")->type_name("N");
  command.add_option("--length-penalty", how.length_penalty, "of beams: above 0 favours long texts")
      ->type_name("X");
  command.add_option("--early-stopping", generate.early_stopping, "of beams: no, yes or never")
      ->type_name("WHEN");
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("generate", "go on with a text, or turn it into another (GPT-2, T5)");
  command->footer(kExamples);
  auto generate = std::make_shared<Generate>();
  nn::Generation& how = generate->how;
  command
      ->add_option("--weights", generate->weights,
                   "a published model's folder, a file of weights, or a model.graft")
      ->required()
      ->type_name("PATH");
  command->add_option("--heads", generate->heads, "of attention, where no config.json says it")
      ->type_name("N");
  command->add_option("--prompt", generate->prompt, "the prompt in words")->type_name("TEXT");
  command->add_option("--tokens", generate->tokens, "the prompt as tokens: 464,3290")
      ->delimiter(',')
      ->type_name("LIST");
  command->add_option("--count", how.count, "most new tokens")->type_name("N")->capture_default_str();
  command->add_option("--least", how.least, "no end before so many new tokens")->type_name("N");
  command->add_option("--end", generate->ends, "tokens that end the text; unset, the network's own")
      ->delimiter(',')
      ->type_name("LIST");
  command->add_flag("--no-end", generate->no_end, "go on to --count tokens whatever comes");
  command->add_option("--results", how.results, "how many texts")->type_name("N");
  add_choice_options(*command, *generate);
  command
      ->add_option("--repetition-penalty", how.repetition_penalty,
                   "above 1: less of what the text has already")
      ->type_name("X");
  command->add_option("--no-repeat-ngram", how.no_repeat_ngram, "never the same N tokens twice")
      ->type_name("N");
  command->add_option("--device", generate->device, "what computes: cpu, cuda or cuda:N")
      ->type_name("D")
      ->capture_default_str();
  generate->common.add_to(*command);
  command->callback([generate, &action] { action = [generate] { return generate->run(); }; });
}

}  // namespace graft::app
