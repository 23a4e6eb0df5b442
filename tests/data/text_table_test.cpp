#include "data/text_table.h"

#include "core/error.h"
#include "core/file.h"
#include "data/text_dataset.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

struct Files {
  TempDir dir;

  std::string with(const std::string& name, const std::string& content) const {
    write_file(dir / name, content);
    return dir / name;
  }
};

using Cells = std::vector<std::vector<std::string>>;

Cells cells(const Table& table) {
  Cells out;
  for (const Table::Row& row : table.rows) out.push_back(row.cells);
  return out;
}

std::string joined(const TextTable& table) {
  std::string out;
  for (const TextRow& row : table.rows)
    out += str(row.text, "|", row.pair, "|", row.label, "|", row.place, "\n");
  return out;
}

}  // namespace

TEST_CASE("table: CSV as RFC 4180 has it") {
  Files files;
  std::string path = files.with("a.csv",
                                "\xEF\xBB\xBFtext,label\r\n\"a, b\",1\r\n\"she said \"\"no\"\"\",0\r\n"
                                "\"two\nlines\",1\r\n,0\n");
  Table table = read_table(path);
  CHECK(table.columns == std::vector<std::string>{"text", "label"});
  CHECK(cells(table) == Cells{{"a, b", "1"}, {"she said \"no\"", "0"}, {"two\nlines", "1"}, {"", "0"}});
  CHECK(table.rows[2].line == 4);
  CHECK(table.rows[3].line == 6);  // after a cell of two lines
  CHECK(cells(read_table(files.with("b.csv", "x,y"))) == Cells{{"x", "y"}});
  CHECK(cells(read_table(files.with("c.csv", "x,y\n\n\nz,\n"))) == Cells{{"x", "y"}, {"z", ""}});
  CHECK(read_table(files.with("d.csv", "")).rows.empty());
}

TEST_CASE("table: TSV keeps quotes unless a whole cell stands in them") {
  Files files;
  std::string path =
      files.with("a.tsv", "\"hello\" he said\t1\n\"a \"\"b\"\" c\"\t0\n\"\t1\nit's \"fine\"\t0\n");
  CHECK(cells(read_table(path)) ==
        Cells{{"\"hello\" he said", "1"}, {"a \"b\" c", "0"}, {"\"", "1"}, {"it's \"fine\"", "0"}});
}

TEST_CASE("table: JSON lines, and TREC's labels") {
  Files files;
  TextTable table = read_texts(files.with(
      "a.jsonl", "{\"text\": \"a\\nb\", \"label\": true}\n\n{\"label\": 3, \"text\": \"\xC3\xA9\"}\n"));
  CHECK(joined(table) == "a\nb||true|a.jsonl:1\n\xC3\xA9||3|a.jsonl:3\n");
  TextTable trec = read_texts(files.with("x.label", "NUM:dist How far ?\nLOC:city \"Where\" : here\n"));
  CHECK(joined(trec) == "How far ?||NUM|x.label:1\n\"Where\" : here||LOC|x.label:2\n");
}

TEST_CASE("table: columns are found by name, by number, or by what stands in them") {
  Files files;
  CHECK(joined(read_texts(files.with("a.tsv", "Label\tidx\tSentence1\tsentence2\n1\t7\ta\tb\n"))) ==
        "a|b|1|a.tsv:2\n");
  CHECK(joined(read_texts(files.with("b.csv", "a,x\nb,y\nc,x\n"))) ==
        "a||x|b.csv:1\nb||y|b.csv:2\nc||x|b.csv:3\n");
  CHECK(joined(read_texts(files.with("c.csv", "x,a\ny,b\nx,c\n"))) ==
        "a||x|c.csv:1\nb||y|c.csv:2\nc||x|c.csv:3\n");
  TableOptions by_number{.text = "3", .pair = "1", .label = "2"};
  CHECK(joined(read_texts(files.with("d.csv", "p,l,t\nq,m,u\n"), by_number)) ==
        "t|p|l|d.csv:1\nu|q|m|d.csv:2\n");
  CHECK(joined(read_texts(files.with("e.csv", "body,label,stars\nx,0,5\n"),
                          {.text = "Body", .label = "STARS", .header = TableOptions::Header::yes})) ==
        "x||5|e.csv:2\n");
  // A header that must not be one, and one that is not known.
  TableOptions no{.text = "1", .label = "2", .header = TableOptions::Header::no};
  CHECK(read_texts(files.with("f.csv", "text,label\na,b\n"), no).rows.size() == 2);
  CHECK(joined(read_text_pairs(files.with("g.tsv", "one\ttwo\nthree\tfour\n"))) ==
        "one||two|g.tsv:1\nthree||four|g.tsv:2\n");
  CHECK(joined(read_text_pairs(files.with("h.jsonl", "{\"target\": \"t\", \"source\": \"s\"}\n"))) ==
        "s||t|h.jsonl:1\n");
  CHECK_FALSE(read_texts(files.with("i.txt", "one\ntwo\n"), {}, false).labelled);
}

TEST_CASE("table: what is damaged is refused with file and line") {
  Files files;
  auto refused = [&](const std::string& name, const std::string& content, std::vector<std::string> parts,
                     const TableOptions& options = {}) {
    CAPTURE(content);
    std::string path = files.with(name, content);
    parts.push_back(name);
    check_throws<DataError>([&] { read_texts(path, options); }, parts);
  };
  refused("a.csv", "text,label\na,1\n\"b,2\nc,3\n", {"line 3", "never closed"});
  refused("a.csv", "text,label\na,1\n\"b\"c,2\n", {"line 3", "behind a closing quote"});
  refused("a.csv", "text,label\na,1\nb \"c\",2\n", {"line 3", "quote inside a cell"});
  refused("a.csv", "text,label\na,1\nb\n", {"line 3", "1 cell,", "has 2"});
  refused("a.csv", "text,label\na,1\nb,2,3\n", {"line 3", "3 cells", "has 2"});
  refused("a.csv", "text,label\n\"x\ny\",1\nb,2,3\n", {"line 4", "3 cells"});
  refused("a.tsv", "text\tlabel\na\t1\nb\n", {"line 3", "1 cell"});
  refused("a.tsv", "text\tlabel\n \t1\n", {"line 2", "the text is empty"});
  refused("a.tsv", "text\tlabel\na\t\n", {"line 2", "the label is empty"});
  refused("a.tsv", "sentence1\tsentence2\tlabel\na\t\t1\n", {"line 2", "second text is empty"});
  refused("a.tsv", "text\tlabel\na\t1\n\xFF\t1\n", {"line 3", "not UTF-8"});
  refused("a.csv", "", {"no rows"});
  refused("a.csv", "text,label\n", {"no rows", "header"});
  refused("a.csv", "foo,label\na,1\n", {"which column holds the texts", "foo, label"});
  refused("a.csv", "text,foo\na,1\n", {"which column holds the labels", "text, foo"});
  refused("a.csv", "a,b\nc,d\n", {"which of the two columns"});
  refused("a.csv", "a,b,c\nd,e,f\n", {"3 columns without names"});
  refused("a.csv", "text,label\na,1\n", {"no column txet", "text"}, {.text = "txet"});
  refused("a.csv", "text,label\na,1\n", {"no column 3"}, {.text = "3"});
  refused("a.csv", "text,label\na,1\n", {"used twice"}, {.text = "label"});
  refused("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \n", {"line 2", "no valid JSON"});
  refused("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n[1]\n", {"line 2", "not a JSON object"});
  refused("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\", \"labl\": 1}\n",
          {"line 2", "\"labl\""});
  refused("a.jsonl", "{\"text\": [\"a\"], \"label\": 1}\n", {"line 1", "\"text\" is array"});
  refused("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\"}\n",
          {"line 2", "the label is empty"});
  refused("a.jsonl", "{\"text\": \"a\", \"text\": \"b\", \"label\": 1}\n", {"line 1", "stands twice"});
  refused("a.label", "NUM:dist How far\nWhere is it\n", {"line 2", "LABEL:part"});
  refused("a.label", "NUM:dist\n", {"line 1"});
  refused("a.xls", "text,label\na,1\n", {".csv"});
  check_throws<DataError>([&] { read_texts(files.dir / "none.csv"); }, {"none.csv"});
  check_throws<UsageError>([] { parse_table_format("xml"); }, {"xml", "jsonl"});
}

TEST_CASE("text data set: a folder's files by their names, a file split by class") {
  Files files;
  std::string rows = "text,label\n";
  for (int i = 0; i < 10; ++i) rows += str("text ", i, ",", i % 2 ? "10" : "9", "\n");
  TextDataset split = read_text_dataset(files.with("all.csv", rows), {.test_share = 0.2, .seed = 3});
  CHECK(split.classes == std::vector<std::string>{"9", "10"});  // numbers by value
  CHECK(split.train.size() == 8);
  CHECK(split.test.size() == 2);
  CHECK(split.test[0].label != split.test[1].label);
  CHECK(split.test_from == "split");

  std::string folder = files.dir.path();
  CHECK(find_text_files(folder).train == files.dir / "all.csv");
  files.with("train_1.csv", rows);
  files.with("dev.csv", "text,label\nz,9\n");
  files.with("TEST.csv", "text,label\ny,10\n");
  TextDataset both = read_text_dataset(folder);
  CHECK(both.train.size() == 10);
  CHECK(both.test_from == "TEST.csv");
  CHECK(both.test[0].place == "TEST.csv:2");
  CHECK(read_text_tests(folder).rows.size() == 1);
  CHECK(holds_texts(folder));

  files.with("TEST.csv", "text,label\ny,11\n");
  check_throws<DataError>([&] { read_text_dataset(folder); }, {"TEST.csv:2", "\"11\""});
  files.with("TEST.csv", "sentence1,sentence2,label\ny,z,10\n");
  check_throws<DataError>([&] { read_text_dataset(folder); }, {"two texts"});
  files.with("train_2.csv", rows);
  check_throws<DataError>([&] { read_text_dataset(folder); }, {"which one", "train_1.csv", "train_2.csv"});
  check_throws<DataError>([&] { read_text_dataset(files.with("one.csv", "text,label\na,x\nb,x\n")); },
                          {"every label is \"x\""});
  TempDir empty;
  check_throws<DataError>([&] { find_text_files(empty.path()); }, {"no .csv"});
  check_throws<DataError>([&] { find_text_files(empty / "none"); }, {"no such file"});
}

TEST_CASE("text data set: SST-2 and TREC as they are published") {
  GRAFT_NEEDS_ASSETS();
  TextDataset trec = read_text_dataset(env::assets() + "/text/trec");
  CHECK(trec.train.size() == 5444);
  CHECK(trec.test.size() == 499);
  CHECK(trec.classes == std::vector<std::string>{"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"});
  CHECK(trec.train[0].text == "How did serfdom develop in and then leave Russia ?");
  TextDataset sst2 = read_text_dataset(env::assets() + "/text/sst2");
  CHECK(sst2.train.size() == 60614);
  CHECK(sst2.test.size() == 6735);
  CHECK(sst2.classes == std::vector<std::string>{"0", "1"});
}
