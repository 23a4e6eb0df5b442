#include "weights/load.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "core/nearest.h"
#include "core/parallel.h"
#include "core/sha256.h"
#include "weights/layout.h"
#include "weights/names.h"

namespace graft::weights {
namespace {

constexpr std::array<std::string_view, 3> kWrappers = {"module.", "model.", "_orig_mod."};
constexpr std::string_view kCounter = "num_batches_tracked";

std::string nearest_name(const std::string& wanted, const std::vector<std::string>& known) {
  std::vector<std::string> found = nearest(wanted, known, 1);
  return found.empty() ? "" : found.front();
}

bool is_counter(std::string_view name) {
  return name.ends_with(kCounter);
}

// Pairs of file entry and network tensor under one name; what is left over on either side.
class Match {
 public:
  Match(nn::Module& module, const Checkpoint& checkpoint, const NameMap& map)
      : tensors_(nn::named_tensors(module)), entries_(checkpoint.entries()), map_(map) {
    report.file = checkpoint.path();
    report.format = checkpoint.format();
    report.tensors = static_cast<int64_t>(tensors_.size());
    report.warnings = checkpoint.warnings();
    for (size_t i = 0; i < tensors_.size(); ++i) target_of_[tensors_[i].name] = i;
    source_.assign(tensors_.size(), nullptr);
    tied_to_.assign(tensors_.size(), tensors_.size());
    map_names();
    find_missing();
    find_unexpected();
    for (size_t i = 0; i < tensors_.size(); ++i) compare(i);
  }

  LoadReport report;
  const std::vector<nn::NamedTensor>& tensors() const { return tensors_; }
  const Entry* source(size_t i) const { return source_[i]; }
  bool waived(const std::string& name) const {
    return std::any_of(map_.waive.begin(), map_.waive.end(),
                       [&](const std::string& glob) { return glob_match(glob, name); });
  }
  // Where the file holds a tied tensor under both names: the one under the first.
  std::optional<size_t> twin(size_t i) const {
    if (!source_[i] || tensors_[i].tied_to.empty()) return std::nullopt;
    size_t first = target_of_.at(tensors_[i].tied_to);
    return source_[first] ? std::optional(first) : std::nullopt;
  }
  // The tensor that this one shares its elements with, where the file holds only that one.
  const nn::NamedTensor* tied(size_t i) const {
    return tied_to_[i] < tensors_.size() ? &tensors_[tied_to_[i]] : nullptr;
  }

 private:
  std::string find_wrappers() const {
    std::string prefix;
    if (!map_.strip_wrappers || entries_.empty() || tensors_.empty()) return prefix;
    for (bool found = true; found;) {
      found = false;
      for (std::string_view wrapper : kWrappers) {
        std::string longer = prefix + std::string(wrapper);
        bool all = std::all_of(entries_.begin(), entries_.end(),
                               [&](const Entry& e) { return e.name.starts_with(longer); });
        bool own = std::any_of(tensors_.begin(), tensors_.end(),
                               [&](const nn::NamedTensor& t) { return t.name.starts_with(wrapper); });
        if (all && !own) {
          prefix = longer;
          found = true;
        }
      }
    }
    return prefix;
  }

  void map_names() {
    report.stripped = find_wrappers();
    std::unordered_map<std::string, std::string> taken;  // mapped name -> file name
    for (const Entry& e : entries_) {
      std::string name = e.name.substr(report.stripped.size());
      for (const auto& [from, to] : map_.rename) {
        if (auto renamed = rename(from, to, name)) {
          name = *renamed;
          break;
        }
      }
      auto [other, added] = taken.emplace(name, e.name);
      if (!added) {
        fail<DataError>(printable(report.file), ": ", printable(other->second), " and ", printable(e.name),
                        " both become ", printable(name));
      }
      auto target = target_of_.find(name);
      if (target == target_of_.end()) {
        left_over_.push_back({name, &e});
      } else {
        source_[target->second] = &e;
      }
    }
  }

  // Another name of the same elements that the file does hold.
  size_t find_tied(size_t i) const {
    const Tensor& mine = tensors_[i].value();
    for (size_t k = 0; k < tensors_.size(); ++k) {
      const Tensor& other = tensors_[k].value();
      if (k != i && source_[k] && mine.defined() && mine.numel() > 0 && mine.raw() == other.raw() &&
          mine.shape() == other.shape()) {
        return k;
      }
    }
    return tensors_.size();
  }

  void find_missing() {
    std::vector<std::string> unused;
    for (const auto& [name, entry] : left_over_) unused.push_back(name);
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (source_[i]) continue;
      const nn::NamedTensor& t = tensors_[i];
      tied_to_[i] = find_tied(i);
      if (tied_to_[i] < tensors_.size() || !t.tied_to.empty()) continue;  // missing once, by its first name
      if (is_counter(t.name) || waived(t.name)) {
        report.waived.push_back({t.name, "missing"});
      } else {
        report.missing.push_back(
            {t.name, to_text(published_shape(t.value().shape(), t.published)), nearest_name(t.name, unused)});
      }
    }
  }

  void find_unexpected() {
    std::vector<std::string> wanted;
    for (const Unmatched& m : report.missing) wanted.push_back(m.name);
    for (const auto& [name, entry] : left_over_) {
      if (waived(name) || waived(entry->name)) {
        report.waived.push_back({entry->name, "unexpected"});
      } else {
        report.unexpected.push_back({entry->name, shape_of(*entry), nearest_name(name, wanted)});
      }
    }
  }

  static std::string shape_of(const Entry& entry) {
    std::string text = "[";
    for (size_t i = 0; i < entry.sizes.size(); ++i) text += (i ? ", " : "") + str(entry.sizes[i]);
    return text + "]";
  }

  void compare(size_t i) {
    if (!source_[i]) return;
    const nn::NamedTensor& t = tensors_[i];
    const Entry& e = *source_[i];
    Shape wanted = published_shape(t.value().shape(), t.published);
    bool same_shape = e.sizes.size() == static_cast<size_t>(wanted.rank()) &&
                      std::equal(wanted.begin(), wanted.end(), e.sizes.begin());
    std::string why;
    if (!e.problem.empty()) {
      why = e.problem;
    } else if (is_float(e.dtype) != is_float(t.value().dtype())) {
      why = str("type ", e.dtype, " in the file, ", t.value().dtype(), " in the network");
    }
    if (same_shape && why.empty()) return;
    source_[i] = nullptr;
    std::string model = to_text(wanted), file = shape_of(e);
    if (waived(t.name)) {
      report.waived.push_back(
          {t.name, why.empty() ? str("shape ", file, " in the file, ", model, " in the network") : why});
    } else {
      report.mismatched.push_back({t.name, model, file, same_shape ? why : std::string()});
    }
  }

  std::vector<nn::NamedTensor> tensors_;
  const std::vector<Entry>& entries_;
  const NameMap& map_;
  std::unordered_map<std::string, size_t> target_of_;
  std::vector<const Entry*> source_;
  std::vector<size_t> tied_to_;
  std::vector<std::pair<std::string, const Entry*>> left_over_;
};

int64_t count_not_finite(const Tensor& tensor) {
  if (tensor.dtype() != DType::f32 && tensor.dtype() != DType::f64) {
    return is_float(tensor.dtype()) ? count_not_finite(tensor.to(DType::f32)) : 0;
  }
  auto count = [](auto values) {
    return std::count_if(values.begin(), values.end(), [](auto v) { return !std::isfinite(v); });
  };
  return tensor.dtype() == DType::f32 ? count(tensor.span<float>()) : count(tensor.span<double>());
}

// What all threads together hold of the file beside the values that they make of it.
constexpr int64_t kPieces = 8 << 20;

// Calls f(place, part) for the elements of `engine` and the same elements of the file's tensor, in its type.
template <class F>
void for_each_part(const Tensor& engine, const nn::NamedTensor& target, const Checkpoint& checkpoint,
                   const Entry& source, F f) {
  int64_t most = std::max<int64_t>(kPieces / threads(), 1 << 16);
  checkpoint.read_pieces(source.name, most, [&](int axis, int64_t begin, int64_t end, const Tensor& piece) {
    match_part(engine, target.published, axis, begin, end, piece.to(engine.dtype()), f);
  });
}

// The file's tensor in the network's layout and type.
Tensor read_as(const nn::NamedTensor& target, const Checkpoint& checkpoint, const Entry& source) {
  DType dtype = target.value().dtype();
  if (target.published == nn::Published::same && source.dtype == dtype) return checkpoint.read(source.name);
  Tensor value = Tensor::empty(target.value().shape(), dtype);
  for_each_part(value, target, checkpoint, source,
                [](const Tensor& place, const Tensor& part) { place.copy_from(part); });
  return value;
}

// Whether the file's tensor has the same bits.
bool holds(const Tensor& value, const nn::NamedTensor& target, const Checkpoint& checkpoint,
           const Entry& source) {
  bool equal = true;
  for_each_part(value, target, checkpoint, source,
                [&](const Tensor& place, const Tensor& part) { equal = equal && bit_equal(place, part); });
  return equal;
}

std::string plural(size_t n, std::string_view what) {
  return str(n, " ", what, n == 1 ? "" : "s");
}

}  // namespace

LoadReport load(nn::Module& module, const Checkpoint& checkpoint, const NameMap& names) {
  Match match(module, checkpoint, names);
  LoadReport report = std::move(match.report);
  if (!report.complete()) return report;

  // Everything is read and converted before the first tensor of the network changes. A tensor that is in the
  // file under a second name, too, is compared with the first, and not kept.
  const auto& tensors = match.tensors();
  std::vector<Tensor> values(tensors.size());
  std::vector<LoadRow> rows(tensors.size());
  auto for_each_source = [&](bool twins, const std::function<void(size_t, const Entry&)>& f) {
    parallel_for(static_cast<int64_t>(tensors.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        if (match.source(i) && match.twin(i).has_value() == twins) f(i, *match.source(i));
      }
    });
  };
  for_each_source(false, [&](size_t i, const Entry& source) {
    const nn::NamedTensor& t = tensors[i];
    values[i] = read_as(t, checkpoint, source);
    rows[i] = {source.origin.empty() ? source.name : source.origin,
               t.name,
               source.shape,
               source.dtype,
               values[i].dtype(),
               std::string(to_text(t.published)),
               sha256(values[i]),
               count_not_finite(values[i])};
  });
  std::vector<uint8_t> equal(tensors.size(), 1);
  for_each_source(true, [&](size_t i, const Entry& source) {
    size_t first = *match.twin(i);
    equal[i] = holds(values[first], tensors[i], checkpoint, source);
    rows[i] = rows[first];
    rows[i].source = source.name;
    rows[i].target = tensors[i].name;
    rows[i].from = source.dtype;
  });
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (equal[i]) continue;
    const std::string& first = tensors[*match.twin(i)].name;
    std::string why = str("differs from ", printable(first), ", to which the network ties it");
    if (match.waived(tensors[i].name)) {
      report.waived.push_back({tensors[i].name, why});
      rows[i].transform = str("tied to ", first);
    } else {
      report.mismatched.push_back({tensors[i].name, "", to_text(rows[i].shape), why});
    }
  }
  if (!report.complete()) return report;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!match.source(i)) continue;
    if (values[i].defined()) tensors[i].set_value(values[i].to(tensors[i].value().device()));
    if (rows[i].not_finite > 0) {
      report.warnings.push_back(str(printable(rows[i].source), ": ", rows[i].not_finite, " of ",
                                    rows[i].shape.numel(), " values are NaN or infinite"));
    }
    report.rows.push_back(std::move(rows[i]));
    values[i] = Tensor();
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (const nn::NamedTensor* other = match.tied(i)) {
      const Tensor& value = tensors[i].value();
      report.rows.push_back({other->name, tensors[i].name,
                             published_shape(value.shape(), tensors[i].published), value.dtype(),
                             value.dtype(), str("tied to ", other->name), sha256(value), 0});
    }
  }
  return report;
}

std::string LoadReport::to_text() const {
  std::string name = printable(file.substr(file.rfind('/') + 1));
  std::string out;
  if (complete()) {
    out = str("load: ", rows.size(), " of ", plural(static_cast<size_t>(tensors), "tensor"), " from ", name,
              " (", format, ")");
    if (!stripped.empty()) out += str(", names without \"", stripped, "\"");
    out += '\n';
  } else {
    std::string sum;
    auto add = [&](size_t n, std::string_view text) {
      if (n > 0) sum += str(sum.empty() ? "" : ", ", n, text);
    };
    add(missing.size(), str(" of ", plural(static_cast<size_t>(tensors), "tensor"), " not found in ", name));
    add(mismatched.size(), " of another shape or type");
    add(unexpected.size(), " unexpected");
    out = str("load: ", sum, missing.empty() ? str(" in ", name) : "", "; the network was not changed\n");
  }
  size_t width = 0;
  for (const auto& m : missing) width = std::max(width, m.name.size() + m.shape.size() + 1);
  width = std::min<size_t>(width, 60);
  auto line = [&](std::string_view kind, const std::string& text, const std::string& hint) {
    out += str("  ", kind, std::string(kind.size() < 11 ? 11 - kind.size() : 1, ' '), text);
    if (!hint.empty())
      out += str(std::string(text.size() < width ? width - text.size() : 0, ' '), "   ", hint);
    out += '\n';
  };
  auto guess = [](const std::string& nearest) {
    return nearest.empty() ? "" : str("did you mean ", printable(nearest), "?");
  };
  for (const auto& m : missing) line("missing", str(printable(m.name), " ", m.shape), guess(m.nearest));
  for (const auto& m : mismatched) {
    if (m.why.empty()) {
      bool head = m.model.find(',') != std::string::npos || m.file.find(',') != std::string::npos;
      line("shape", str(printable(m.name), "  model ", m.model, ", file ", m.file),
           head ? "(swap the head after loading)" : "");
    } else {
      line(m.model.empty() ? "value" : "type", str(printable(m.name), " ", m.file), m.why);
    }
  }
  for (const auto& u : unexpected) line("unexpected", str(printable(u.name), " ", u.shape), guess(u.nearest));
  for (const auto& w : waived) line("waived", printable(w.name), w.what);
  for (const auto& w : warnings) line("note", w, "");
  return out;
}

std::string LoadReport::ledger() const {
  std::string out;
  for (const LoadRow& r : rows) {
    out += str(printable(r.source), " -> ", printable(r.target), "  ", r.shape, "  ", r.from, " -> ", r.to,
               "  ", r.transform, "  sha256 ", r.sha256, "\n");
  }
  return out;
}

const LoadReport& LoadReport::require_complete() const {
  if (!complete()) throw DataError(to_text());
  return *this;
}

}  // namespace graft::weights
