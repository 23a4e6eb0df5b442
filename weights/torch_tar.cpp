// PyTorch's first container (2016-2017, torchvision's first files): a tar with the members sys_info,
// storages, tensors and pickle. Tensors and storages have ids of their own; the pickle refers to tensors by
// id. Source: torch/serialization.py, legacy_load.
#include <algorithm>

#include "weights/tar.h"
#include "weights/torch_tree.h"

namespace graft::weights {
namespace {

using pickle::Kind;
using pickle::Value;

// Reads one member from front to back: pickles with binary numbers between them.
class Cursor {
 public:
  Cursor(const File& file, const TarMember& member)
      : file_(file), name_(member.name), at_(member.begin), end_(member.begin + member.bytes) {}

  ReadPickle pickle() {
    ReadPickle p(file_, at_, end_, str("member ", name_));
    at_ = p.end;
    return p;
  }
  int64_t number(int64_t bytes, const std::string& what) {
    need(bytes, what);
    std::string raw = file_.read(at_, bytes);
    uint64_t value = 0;
    for (size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
    at_ += bytes;
    return bytes == 4 ? int64_t{static_cast<int32_t>(value)} : static_cast<int64_t>(value);
  }
  // Passes over `bytes` bytes and says where they begin.
  int64_t skip(int64_t bytes, const std::string& what) {
    need(bytes, what);
    at_ += bytes;
    return at_ - bytes;
  }
  int64_t count(std::string_view what) {
    ReadPickle p = pickle();
    const Value& n = p.tree.top();
    if (n.kind != Kind::integer || n.integer < 0 || n.integer > static_cast<int64_t>(kMaxTensors)) {
      file_.reject("member ", name_, ": the number of ", what, " is ", describe(p.tree, n),
                   ", expected at most ", kMaxTensors);
    }
    return n.integer;
  }
  void finish() const {
    if (at_ != end_) file_.reject("member ", name_, ": ", end_ - at_, " bytes follow its end at byte ", at_);
  }

 private:
  void need(int64_t bytes, const std::string& what) const {
    if (bytes > end_ - at_) {
      file_.reject("truncated: member ", name_, ": ", what, " needs ", bytes, " bytes at byte ", at_, ", ",
                   end_ - at_, " are left");
    }
  }
  const File& file_;
  std::string name_;
  int64_t at_, end_;
};

// Ids are integers in the binary members, and text or integers in the pickle.
std::optional<std::string> id_text(const Value& value) {
  if (value.kind == Kind::integer) return str(value.integer);
  if (value.kind == Kind::text) return std::string(value.text);
  return std::nullopt;
}

struct Stored {
  const TorchType* type;
  size_t block;
  int64_t first, elements;  // the part of the block
};
struct Tensors {
  TorchTensor tensor;
  Stored storage;
};

class TarReader {
 public:
  TarReader(std::shared_ptr<const File> file, std::vector<TarMember> members)
      : file_(std::move(file)), members_(std::move(members)) {
    content = std::make_unique<Content>();
    content->path = file_->path();
    content->format = "torch tar";
    content->file = file_;
  }

  std::unique_ptr<Content> content;

  void run(const OpenOptions& options) {
    check_system();
    read_storages();
    read_tensors();
    const TarMember& member = find("pickle");
    ReadPickle object(*file_, member.begin, member.begin + member.bytes, "member pickle");
    if (object.end != member.begin + member.bytes)
      file_->reject("member pickle: bytes follow its end at byte ", object.end);
    TensorReader reader = [&](const Value& value, const std::string& name) {
      return resolve(object.tree, value, name);
    };
    for (const NamedTorchTensor& t :
         state_dict(*file_, object.tree, options.key, reader, content->warnings)) {
      const Stored& s = storage_of_.at(t.name);
      add_torch_tensor(*content, t, *s.type, s.block, s.first, s.elements);
    }
    content->finish();
  }

 private:
  const TarMember& find(std::string_view name) const {
    auto found =
        std::find_if(members_.begin(), members_.end(), [&](const TarMember& m) { return m.name == name; });
    if (found == members_.end()) file_->reject("tar: the member ", name, " of a torch checkpoint is missing");
    return *found;
  }

  void check_system() {
    Cursor cursor(*file_, find("sys_info"));
    ReadPickle p = cursor.pickle();
    cursor.finish();
    check_system_info(*file_, p.tree);
  }

  void read_storages() {
    Cursor cursor(*file_, find("storages"));
    int64_t n = cursor.count("storages");
    for (int64_t i = 0; i < n; ++i) {
      ReadPickle p = cursor.pickle();  // (key, location, type)
      const Value& head = p.tree.top();
      std::string name = str("storage ", i, " of ", n);
      bool fits = head.kind == Kind::tuple && head.items.size() == 3 && id_text(p.tree.item(head, 0));
      if (!fits)
        file_->reject("member storages: ", name, " is ", describe(p.tree, head),
                      ", expected (key, location, type)");
      const TorchType* type = torch_storage_type(p.tree.item(head, 2));
      if (!type)
        file_->reject("member storages: ", name, " has the unknown type ",
                      describe(p.tree, p.tree.item(head, 2)));
      int64_t elements = cursor.number(8, name);
      auto bytes = elements < 0 ? std::nullopt : checked_bytes({elements}, type->bytes);
      if (!bytes) file_->reject("member storages: ", name, " has ", elements, " elements");
      int64_t begin = cursor.skip(*bytes, name);
      std::string key = *id_text(p.tree.item(head, 0));
      if (!storages_.emplace(key, Stored{type, content->blocks.size(), 0, elements}).second) {
        file_->reject("member storages: the id ", printable(key), " occurs twice");
      }
      content->blocks.push_back({file_, begin, *bytes, {}, name});
    }
    read_views(cursor);
    cursor.finish();
  }

  // [(id, id of the whole, offset, elements), ...]: storages that are parts of others.
  void read_views(Cursor& cursor) {
    ReadPickle p = cursor.pickle();
    const Value& list = p.tree.top();
    if (list.kind != Kind::list)
      file_->reject("member storages: the views are ", describe(p.tree, list), ", expected a list");
    for (pickle::Ref r : list.items) {
      const Value& view = p.tree[r];
      bool fits = view.kind == Kind::tuple && view.items.size() == 4 && id_text(p.tree.item(view, 0)) &&
                  id_text(p.tree.item(view, 1)) && p.tree.item(view, 2).kind == Kind::integer &&
                  p.tree.item(view, 3).kind == Kind::integer;
      if (!fits)
        file_->reject("member storages: a view is ", describe(p.tree, view),
                      ", expected (id, id, offset, elements)");
      auto whole = storages_.find(*id_text(p.tree.item(view, 1)));
      if (whole == storages_.end())
        file_->reject("member storages: a view of the unknown storage ",
                      printable(*id_text(p.tree.item(view, 1))));
      Stored part = whole->second;
      int64_t offset = p.tree.item(view, 2).integer, elements = p.tree.item(view, 3).integer;
      if (offset < 0 || elements < 0 || offset > part.elements || elements > part.elements - offset) {
        file_->reject("member storages: a view of ", elements, " elements at ", offset,
                      " reaches beyond its storage of ", part.elements);
      }
      part.first += offset;
      part.elements = elements;
      if (!storages_.emplace(*id_text(p.tree.item(view, 0)), part).second) {
        file_->reject("member storages: the id ", printable(*id_text(p.tree.item(view, 0))), " occurs twice");
      }
    }
  }

  void read_tensors() {
    Cursor cursor(*file_, find("tensors"));
    int64_t n = cursor.count("tensors");
    for (int64_t i = 0; i < n; ++i) {
      ReadPickle p = cursor.pickle();  // (id, id of the storage, type)
      const Value& head = p.tree.top();
      std::string name = str("tensor ", i, " of ", n);
      bool fits = head.kind == Kind::tuple && head.items.size() == 3 && id_text(p.tree.item(head, 0)) &&
                  id_text(p.tree.item(head, 1));
      if (!fits)
        file_->reject("member tensors: ", name, " is ", describe(p.tree, head),
                      ", expected (id, storage, type)");
      auto storage = storages_.find(*id_text(p.tree.item(head, 1)));
      if (storage == storages_.end()) {
        file_->reject("member tensors: ", name, " names the unknown storage ",
                      printable(*id_text(p.tree.item(head, 1))));
      }
      TorchTensor t;
      int64_t rank = cursor.number(4, name);
      if (rank < 0 || rank > kMaxListedRank)
        file_->reject("member tensors: ", name, " has rank ", rank, ", expected 0 to ", kMaxListedRank);
      cursor.number(4, name);  // torch once wrote the rank with 8 bytes
      for (auto* list : {&t.sizes, &t.strides}) {
        for (int64_t axis = 0; axis < rank; ++axis)
          list->push_back(non_negative(cursor.number(8, name), name));
      }
      t.offset = non_negative(cursor.number(8, name), name);
      std::string id = *id_text(p.tree.item(head, 0));
      if (!tensors_.emplace(id, Tensors{std::move(t), storage->second}).second) {
        file_->reject("member tensors: the id ", printable(id), " occurs twice");
      }
    }
    cursor.finish();
  }

  int64_t non_negative(int64_t value, const std::string& name) const {
    if (value < 0)
      file_->reject("member tensors: ", name, " has the negative size, stride or offset ", value);
    return value;
  }

  // A tensor is an id; a parameter is an object whose state begins with one.
  std::optional<TorchTensor> resolve(const pickle::Tree& tree, const Value& value, const std::string& name) {
    const Value* reference = &value;
    if (value.kind == Kind::call && value.items.size() == 3 &&
        pickle::is_global(tree.item(value, 0), "torch.nn.parameter", "Parameter")) {
      const Value& state = tree.item(value, 2);
      if (state.kind != Kind::tuple || state.items.empty())
        file_->reject("tensor ", printable(name), ": its state is ", describe(tree, state));
      reference = &tree.item(state, 0);
    }
    if (reference->kind != Kind::persistent) return std::nullopt;
    auto id = id_text(tree.item(*reference, 0));
    auto found = id ? tensors_.find(*id) : tensors_.end();
    if (found == tensors_.end()) {
      file_->reject("tensor ", printable(name), ": its id is ", describe(tree, tree.item(*reference, 0)),
                    ", which the file does not hold");
    }
    storage_of_[name] = found->second.storage;
    return found->second.tensor;
  }

  std::shared_ptr<const File> file_;
  std::vector<TarMember> members_;
  std::map<std::string, Stored> storages_, storage_of_;
  std::map<std::string, Tensors> tensors_;
};

}  // namespace

std::unique_ptr<Content> read_torch_tar(const std::shared_ptr<const File>& file, const OpenOptions& options) {
  TarReader reader(file, read_tar(*file));
  reader.run(options);
  return std::move(reader.content);
}

}  // namespace graft::weights
