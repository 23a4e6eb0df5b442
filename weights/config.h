// Reading a config.json as it lies beside published weights: a JSON object whose values are asked for by key,
// each with its bounds. Every complaint is a DataError that names the file, the key, the value found and what
// was expected. Nothing is allocated from a number in the file.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "nn/transformer.h"

namespace graft::weights {

class Config {
 public:
  // At most 4 MiB, nested at most 32 deep, no key twice in an object.
  static Config read(const std::string& path);
  // The same of text in memory; `name` stands in messages.
  static Config parse(const std::string& name, const std::string& text);

  // Is the key there, with a value other than null?
  bool has(std::string_view key) const;
  // Whole numbers within bounds. A JSON number such as 12.0 is none.
  int64_t integer(std::string_view key, int64_t least, int64_t most) const;
  int64_t integer_or(std::string_view key, int64_t otherwise, int64_t least, int64_t most) const;
  // Sizes of tensors: 1 to 1,048,576; of a vocabulary up to 16,777,216.
  int64_t size(std::string_view key) const { return integer(key, 1, int64_t{1} << 20); }
  int64_t vocabulary(std::string_view key) const { return integer(key, 1, int64_t{1} << 24); }
  // Layers of a stack: 1 to 1,024.
  int64_t layers(std::string_view key) const { return integer(key, 1, 1024); }
  // Attention heads: 1 to `width`, and a divisor of it.
  int64_t heads(std::string_view key, int64_t width) const;
  // A finite number within bounds.
  double number(std::string_view key, double least, double most) const;
  double number_or(std::string_view key, double otherwise, double least, double most) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key) const;
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  // A list of texts; empty where the key is not there.
  std::vector<std::string> texts(std::string_view key) const;
  // A list of `count` finite numbers; empty where the key is not there.
  std::vector<double> numbers(std::string_view key, size_t count) const;
  // One of these texts.
  std::string one_of(std::string_view key, std::initializer_list<std::string_view> known) const;
  // The function that transformers calls so: "gelu" by its definition, "gelu_new", "gelu_fast" and
  // "gelu_pytorch_tanh" by tanh, "quick_gelu", "relu", "silu" and "swish", "tanh".
  nn::Nonlinearity nonlinearity(std::string_view key, std::string_view otherwise = {}) const;
  // {"0": "negative", "1": "positive"}, as id2label is written: the names in the order of their numbers,
  // which must be 0, 1, ... Empty where the key is not there.
  std::vector<std::string> labels(std::string_view key) const;
  // The object under a key: "text_config". Its complaints name both keys.
  Config section(std::string_view key) const;
  // Is there an object under the key?
  bool has_section(std::string_view key) const;
  // All keys, in their alphabetical order.
  std::vector<std::string> keys() const;

  // Throws a DataError that names the file, the key and its value.
  template <class... Parts>
  [[noreturn]] void reject(std::string_view key, const Parts&... expected) const {
    fail<DataError>(printable(name_), ": \"", path_, key, "\" ", found(key), ", expected ", expected...);
  }
  const std::string& name() const { return name_; }

 private:
  struct Object;  // of the JSON library, which no header names
  Config(std::string name, std::string path, std::shared_ptr<const Object> object);
  std::string found(std::string_view key) const;  // "is 12.5", "is missing"

  std::string name_;  // of the file
  std::string path_;  // "text_config." in a section
  std::shared_ptr<const Object> object_;
};

}  // namespace graft::weights
