// graft meadow: pictures as graft draws them, and the backbone that is pretrained on them.
#include "data/meadow/meadow.h"

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/console.h"
#include "core/error.h"
#include "core/nearest.h"
#include "transfer/pretrain_meadow.h"

namespace graft::app {
namespace {

using data::meadow::Flora;

struct Draw {
  std::string out, sheet;
  std::vector<std::string> classes;
  int64_t per_class = 100, first = 0, size = data::meadow::kPictureSize;
  uint64_t seed = 1;
  Common common;

  // Where a species stands: its flora and label.
  static std::pair<Flora, int64_t> find(const std::string& name) {
    std::vector<std::string> known;
    for (Flora flora : {Flora::demo, Flora::pretraining}) {
      std::vector<std::string> names = data::meadow::species_names(flora);
      auto found = std::find(names.begin(), names.end(), name);
      if (found != names.end()) return {flora, found - names.begin()};
      known.insert(known.end(), names.begin(), names.end());
    }
    fail<UsageError>("no species called ", printable(name), did_you_mean(name, known));
  }

  std::vector<std::string> chosen() const {
    std::vector<std::string> names;
    for (const std::string& word : classes) {
      if (word == "demo" || word == "pretraining") {
        auto all = data::meadow::species_names(word == "demo" ? Flora::demo : Flora::pretraining);
        names.insert(names.end(), all.begin(), all.end());
      } else {
        find(word);  // throws where there is none
        names.push_back(word);
      }
    }
    return names;
  }

  int run() {
    common.apply();
    GRAFT_CHECK_AS(UsageError, !out.empty() || !sheet.empty(),
                   "nothing to do: name a folder with --out, or a file with --sheet");
    std::vector<std::string> names = chosen();
    auto rows = static_cast<int64_t>(names.size());
    data::Image page(per_class * (size + 2), rows * (size + 2));
    for (int64_t row = 0; row < rows; ++row) {
      const std::string& name = names[static_cast<size_t>(row)];
      auto [flora, label] = find(name);
      std::error_code failed;
      if (!out.empty()) std::filesystem::create_directories(out + "/" + name, failed);
      GRAFT_CHECK_AS(DiskError, !failed, printable(out), ": cannot make the folder ", name, ": ",
                     failed.message());
      for (int64_t i = 0; i < per_class; ++i) {
        data::Image picture = data::meadow::draw(flora, label, seed, static_cast<uint64_t>(first + i), size);
        if (!out.empty()) data::write_png(str(out, "/", name, "/", first + i, ".png"), picture);
        for (int64_t y = 0; y < size && !sheet.empty(); ++y) {
          std::copy_n(picture.row(y), 3 * size, page.row(row * (size + 2) + y) + 3 * i * (size + 2));
        }
      }
    }
    if (!sheet.empty()) data::write_png(sheet, page);
    say(str("wrote ", rows * per_class, " pictures of ", rows, " species to ", out.empty() ? sheet : out));
    return 0;
  }
};

struct Pretrain {
  transfer::PretrainOptions options;
  Common common;

  int run() {
    common.apply();
    const transfer::PretrainOptions usual;
    options.command = str("graft meadow pretrain --out ", options.out, " --seed ", options.seed);
    if (options.epochs != usual.epochs) options.command += str(" --epochs ", options.epochs);
    if (options.pictures_per_class != usual.pictures_per_class) {
      options.command += str(" --per-class ", options.pictures_per_class);
    }
    transfer::PretrainResult result;
    {
      Display display;
      result = transfer::pretrain_meadow(options, display.on_progress());
    }
    say(str("wrote ", options.out, ": held-out accuracy ", fixed(100 * result.accuracy, 1), " % after ",
            result.pictures, " pictures and ", fixed(result.seconds, 0), " s"));
    return 0;
  }
};

}  // namespace

void add_meadow(CLI::App& app, Action& action) {
  CLI::App* meadow =
      app.add_subcommand("meadow", "pictures that graft draws, and the backbone pretrained on them");
  meadow->require_subcommand(1);

  auto draw = std::make_shared<Draw>();
  CLI::App* drawing = meadow->add_subcommand("draw", "draw pictures, a folder for each species");
  drawing->add_option("--out", draw->out, "folder to write to")->type_name("DIR");
  drawing->add_option("--sheet", draw->sheet, "also all of them on one page, a row for each species")
      ->type_name("PNG");
  draw->classes = {"demo"};
  drawing->add_option("--classes", draw->classes, "species, or demo or pretraining for all of those")
      ->delimiter(',');
  drawing->add_option("--per-class", draw->per_class, "pictures of each")->check(CLI::Range(1, 100000));
  drawing->add_option("--first", draw->first, "number of the first one")->check(CLI::NonNegativeNumber);
  drawing->add_option("--size", draw->size, "pixels wide and high")->check(CLI::Range(8, 1024));
  drawing->add_option("--seed", draw->seed, "another seed, other pictures");
  draw->common.add_to(*drawing);
  drawing->callback([draw, &action] { action = [draw] { return draw->run(); }; });

  auto pretrain = std::make_shared<Pretrain>();
  CLI::App* pretraining = meadow->add_subcommand("pretrain", "make the backbone that ships with graft");
  pretraining->add_option("--out", pretrain->options.out, "the checkpoint to write")
      ->required()
      ->type_name("FILE.safetensors");
  pretraining->add_option("--seed", pretrain->options.seed, "of starting values, order and pictures");
  pretraining->add_option("--epochs", pretrain->options.epochs, "passes")->check(CLI::Range(1, 1000));
  pretraining
      ->add_option("--per-class", pretrain->options.pictures_per_class,
                   "fresh pictures of each species in a pass")
      ->check(CLI::Range(1, 100000));
  pretrain->common.add_to(*pretraining);
  pretraining->callback([pretrain, &action] { action = [pretrain] { return pretrain->run(); }; });
}

}  // namespace graft::app
