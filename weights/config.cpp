#include "weights/config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/nearest.h"
#include "weights/file.h"

namespace graft::weights {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxBytes = 4 << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxLabels = 100'000;

// Walks the text before anything is made of it: how deep it is nested, and that no key stands twice in one
// object (a JSON library keeps one of the two, and not all keep the same).
class Check : public nlohmann::json_sax<Json> {
 public:
  explicit Check(std::string name) : name_(std::move(name)) {}

  bool start_object(size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ == 0) refuse("starts with a list, expected an object");
    return enter();
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second) refuse("key \"", printable(key, 60), "\" appears twice");
    return true;
  }
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(int64_t) override { return value(); }
  bool number_unsigned(uint64_t) override { return value(); }
  bool number_float(double, const std::string&) override { return value(); }
  bool string(std::string&) override { return value(); }
  bool binary(Json::binary_t&) override { return value(); }
  bool parse_error(size_t position, const std::string& token, const Json::exception& e) override {
    // The library's word for 1e400.
    bool too_large = std::string_view(e.what()).find("out_of_range") != std::string_view::npos;
    if (too_large) refuse("number ", printable(token, 40), " at byte ", position, " is too large");
    refuse("not valid JSON at byte ", position, ", near \"", printable(token, 40), "\"");
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail<DataError>(printable(name_), ": ", parts...);
  }
  bool enter() {
    if (++depth_ > kMaxDepth) refuse("nested deeper than ", kMaxDepth);
    return true;
  }
  bool value() const {
    if (depth_ == 0) refuse("is a single value, expected an object");
    return true;
  }

  std::string name_;
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

struct Config::Object {
  Json json;

  // Null where the key is absent or its value is JSON's null.
  const Json* find(std::string_view key) const {
    auto it = json.find(std::string(key));
    return it == json.end() || it->is_null() ? nullptr : &*it;
  }
};

Config::Config(std::string name, std::string path, std::shared_ptr<const Object> object)
    : name_(std::move(name)), path_(std::move(path)), object_(std::move(object)) {}

Config Config::read(const std::string& path) {
  auto file = File::open(path);
  if (file->size() > kMaxBytes) file->reject(file->size(), " bytes, at most ", kMaxBytes, " are allowed");
  return parse(path, file->read(0, file->size()));
}

Config Config::parse(const std::string& name, const std::string& text) {
  if (size_t nul = text.find('\0'); nul != std::string::npos)
    fail<DataError>(printable(name), ": NUL at byte ", nul, ", expected JSON text");
  Check check(name);
  Json::sax_parse(text, &check);
  return {name, "", std::make_shared<const Object>(Object{Json::parse(text)})};
}

std::string Config::found(std::string_view key) const {
  const Json* value = object_->find(key);
  if (!value) return "is missing";
  return str("is ", printable(value->dump(-1, ' ', false, Json::error_handler_t::replace), 60));
}

bool Config::has(std::string_view key) const {
  return object_->find(key) != nullptr;
}

int64_t Config::integer(std::string_view key, int64_t least, int64_t most) const {
  const Json* value = object_->find(key);
  bool fits = value && value->is_number_integer() &&
              (!value->is_number_unsigned() || value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  int64_t n = fits ? value->get<int64_t>() : 0;
  if (!fits || n < least || n > most) reject(key, "a whole number from ", least, " to ", most);
  return n;
}

int64_t Config::integer_or(std::string_view key, int64_t otherwise, int64_t least, int64_t most) const {
  return has(key) ? integer(key, least, most) : otherwise;
}

int64_t Config::heads(std::string_view key, int64_t width) const {
  int64_t n = integer(key, 1, width);
  if (width % n != 0) reject(key, "a divisor of the width ", width);
  return n;
}

double Config::number(std::string_view key, double least, double most) const {
  const Json* value = object_->find(key);
  double n = value && value->is_number() ? value->get<double>() : NAN;
  if (!(n >= least && n <= most)) reject(key, "a number from ", least, " to ", most);
  return n;
}

double Config::number_or(std::string_view key, double otherwise, double least, double most) const {
  return has(key) ? number(key, least, most) : otherwise;
}

bool Config::flag_or(std::string_view key, bool otherwise) const {
  const Json* value = object_->find(key);
  if (!value) return otherwise;
  if (!value->is_boolean()) reject(key, "true or false");
  return value->get<bool>();
}

std::string Config::text(std::string_view key) const {
  const Json* value = object_->find(key);
  if (!value || !value->is_string()) reject(key, "a text");
  return value->get<std::string>();
}

std::string Config::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

std::vector<std::string> Config::texts(std::string_view key) const {
  const Json* value = object_->find(key);
  if (!value) return {};
  std::vector<std::string> out;
  if (!value->is_array()) reject(key, "a list of texts");
  for (const Json& item : *value) {
    if (!item.is_string()) reject(key, "a list of texts");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<double> Config::numbers(std::string_view key, size_t count) const {
  const Json* value = object_->find(key);
  if (!value) return {};
  std::vector<double> out;
  if (!value->is_array() || value->size() != count) reject(key, "a list of ", count, " numbers");
  for (const Json& item : *value) {
    if (!item.is_number() || !std::isfinite(item.get<double>())) reject(key, "a list of ", count, " numbers");
    out.push_back(item.get<double>());
  }
  return out;
}

std::string Config::one_of(std::string_view key, std::initializer_list<std::string_view> known) const {
  const Json* value = object_->find(key);
  std::string given = value && value->is_string() ? value->get<std::string>() : std::string();
  if (std::find(known.begin(), known.end(), given) != known.end()) return given;
  std::vector<std::string> names(known.begin(), known.end());
  std::string list;
  for (const std::string& name : names) list += str(list.empty() ? "\"" : ", \"", name, '"');
  reject(key, known.size() == 1 ? "" : "one of ", list, did_you_mean(given, names));
}

nn::Nonlinearity Config::nonlinearity(std::string_view key, std::string_view otherwise) const {
  std::string name = !has(key) && !otherwise.empty()
                         ? std::string(otherwise)
                         : one_of(key, {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu",
                                        "relu", "silu", "swish", "tanh"});
  if (name == "gelu") return nn::Nonlinearity::gelu;
  if (name.starts_with("gelu_")) return nn::Nonlinearity::gelu_tanh;
  if (name == "quick_gelu") return nn::Nonlinearity::quick_gelu;
  if (name == "relu") return nn::Nonlinearity::relu;
  return name == "tanh" ? nn::Nonlinearity::tanh : nn::Nonlinearity::silu;
}

std::vector<std::string> Config::labels(std::string_view key) const {
  const Json* value = object_->find(key);
  if (!value) return {};
  if (!value->is_object() || value->size() > kMaxLabels)
    reject(key, "an object of up to ", kMaxLabels, " texts");
  std::vector<std::string> names;
  for (size_t i = 0; i < value->size(); ++i) {
    auto name = value->find(std::to_string(i));
    if (name == value->end() || !name->is_string())
      reject(key, "a text under each of the numbers 0 to ", value->size() - 1, "; \"", i, "\" has none");
    names.push_back(name->get<std::string>());
  }
  return names;
}

Config Config::section(std::string_view key) const {
  const Json* value = object_->find(key);
  if (!value || !value->is_object()) reject(key, "an object");
  return {name_, str(path_, key, "."), std::make_shared<const Object>(Object{*value})};
}

bool Config::has_section(std::string_view key) const {
  const Json* value = object_->find(key);
  return value && value->is_object();
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> all;
  for (const auto& [key, value] : object_->json.items()) all.push_back(key);
  return all;
}

}  // namespace graft::weights
