#include "weights/config.h"

#include "core/atomic_file.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using weights::Config;

namespace {

Config parse(const std::string& text) {
  return Config::parse("model/config.json", text);
}
void check_refused(const std::function<void()>& f, std::vector<std::string> parts) {
  parts.push_back("model/config.json");
  check_throws<DataError>(f, parts);
}

}  // namespace

TEST_CASE("config: values under their keys") {
  Config c = parse(R"({"hidden_size": 768, "num_attention_heads": 12, "layer_norm_eps": 1e-12, "none": null,
    "tie": false, "hidden_act": "gelu_new", "architectures": ["BertModel"], "rate": 1,
    "id2label": {"1": "good", "0": "bad"}, "text_config": {"layers": 3}})");
  CHECK(c.size("hidden_size") == 768);
  CHECK(c.heads("num_attention_heads", 768) == 12);
  CHECK(c.number("layer_norm_eps", 0, 1) == 1e-12);
  CHECK(c.number("rate", 0, 1) == 1);
  CHECK(c.number_or("none", 0.5, 0, 1) == 0.5);
  CHECK(c.integer_or("none", 7, 0, 10) == 7);
  CHECK_FALSE(c.has("none"));
  CHECK_FALSE(c.flag_or("tie", true));
  CHECK(c.flag_or("absent", true));
  CHECK(c.nonlinearity("hidden_act") == nn::Nonlinearity::gelu_tanh);
  CHECK(c.nonlinearity("absent", "quick_gelu") == nn::Nonlinearity::quick_gelu);
  CHECK(c.texts("architectures") == std::vector<std::string>{"BertModel"});
  CHECK(c.text_or("absent", "x") == "x");
  CHECK(c.labels("id2label") == std::vector<std::string>{"bad", "good"});
  CHECK(c.section("text_config").layers("layers") == 3);
}

// Row J1 and J2 of the catalogue of bad files: a value that no network can be built from.
TEST_CASE("config: a wrong value is named with what was expected") {
  check_refused([] { parse("{}").size("hidden_size"); }, {"\"hidden_size\" is missing", "1 to 1048576"});
  check_refused([] { parse(R"({"hidden_size": "768"})").size("hidden_size"); },
                {"\"hidden_size\" is \"768\"", "whole number"});
  check_refused([] { parse(R"({"hidden_size": 768.0})").size("hidden_size"); }, {"is 768.0", "whole number"});
  check_refused([] { parse(R"({"hidden_size": [768]})").size("hidden_size"); }, {"is [768]"});
  check_refused([] { parse(R"({"layers": -1})").layers("layers"); }, {"\"layers\" is -1", "1 to 1024"});
  check_refused([] { parse(R"({"layers": 1000000000})").layers("layers"); }, {"is 1000000000", "1 to 1024"});
  check_refused([] { parse(R"({"heads": 2147483648})").heads("heads", 768); }, {"2147483648", "1 to 768"});
  check_refused([] { parse(R"({"heads": 18446744073709551615})").heads("heads", 768); },
                {"18446744073709551615", "1 to 768"});
  check_refused([] { parse(R"({"heads": 7})").heads("heads", 768); }, {"is 7", "divisor of the width 768"});
  check_refused([] { parse(R"({"eps": 1e400})").number("eps", 0, 1); }, {"1e400", "too large"});
  check_refused([] { parse(R"({"eps": -1e-5})").number("eps", 0, 1); }, {"\"eps\" is -1e-05", "0 to 1"});
  check_refused([] { parse(R"({"eps": "nan"})").number("eps", 0, 1); }, {"number from 0 to 1"});
  check_refused([] { parse(R"({"tie": 1})").flag_or("tie", true); }, {"\"tie\" is 1", "true or false"});
  check_refused([] { parse(R"({"hidden_act": "gelo"})").nonlinearity("hidden_act"); },
                {"\"hidden_act\" is \"gelo\"", "one of", "did you mean"});
  check_refused([] { parse(R"({"a": [1]})").texts("a"); }, {"list of texts"});
  check_refused([] { parse(R"({"id2label": {"0": "a", "2": "b"}})").labels("id2label"); },
                {"id2label", "\"1\" has none"});
  check_refused([] { parse(R"({"text_config": {"layers": 0}})").section("text_config").layers("layers"); },
                {"\"text_config.layers\" is 0"});
  check_refused([] { parse(R"({"text_config": 3})").section("text_config"); }, {"is 3", "an object"});
}

// Row J3: what is no configuration at all.
TEST_CASE("config: malformed files") {
  check_refused([] { parse(""); }, {"not valid JSON"});
  check_refused([] { parse("[]"); }, {"list"});
  check_refused([] { parse("7"); }, {"single value"});
  check_refused([] { parse("{\"a\": 1,}"); }, {"not valid JSON at byte 9"});
  check_refused([] { parse("{\"a\": 1} {"); }, {"not valid JSON"});
  check_refused([] { parse(std::string(1'000'000, '[')); }, {"list"});
  check_refused([] { parse("{\"a\":" + std::string(1'000'000, '[')); }, {"deeper than 32"});
  check_refused([] { parse(R"({"a": 1, "b": {"a": 2}, "a": 3})"); }, {"\"a\" appears twice"});
  check_refused([] { parse(std::string("{\"a\0\": 1}", 9)); }, {"NUL at byte 3"});
  check_refused([] { parse(R"({"a": )" + std::string(1'000'000, '9') + "}"); }, {"too large"});
  check_refused([] { parse("{\"a\": \"\xff\"}"); }, {"not valid JSON"});
  CHECK(parse(R"({"a\u0000": 1, "b": 2})").integer("b", 0, 9) == 2);

  TempDir folder;
  AtomicFile file(folder / "config.json");
  file.write("{\"a\": \"" + std::string(4 << 20, 'x') + "\"}");
  file.commit();
  check_throws<DataError>([&] { Config::read(folder / "config.json"); }, {"config.json", "4194304"});
  check_throws<DataError>([&] { Config::read(folder / "absent.json"); }, {"absent.json"});
}
