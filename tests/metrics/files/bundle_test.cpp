// SPDX-License-Identifier: Apache-2.0
// Bundles of runs: against Python's zipfile, cut at every byte, killed while appending, and damaged.
#include "metrics/files/bundle.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "metrics/files/bundle_names.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

using Files = std::map<std::string, std::string>;

const std::map<std::string, Files>& some_runs() {
  static const std::map<std::string, Files> runs{
      {"00000000aa", {{"config.toml", "seed = 0\n"}, {"run.h5", std::string("\0\x89HDF", 5)}, {"log.txt", ""}}},
      {"00000000bb",
       {{"config.toml", "seed = 1\n"}, {"ckpt/step_00000002.ckpt", "PK\5\6 is no end here"}, {"empty/", ""}}},
      {"00000000cc", {{"config.toml", "seed = 2\n"}}}};
  return runs;
}

// A sweep directory with a folder for bundles.
struct Sweep {
  Sweep() { std::filesystem::create_directory(folder); }
  TemporaryDirectory place;
  std::filesystem::path folder = place / "packed", path = folder / "host.zip";

  BundleWriter writer() const {
    return std::move(BundleWriter::append_to(Directory(folder), "host.zip", place.path()).value());
  }
  void append(const std::string& id, const Files& files) const {
    BundleWriter bundle = writer();
    for (const auto& [name, bytes] : files) bundle.add(id, name, bytes);
    bundle.end_run(id);
    bundle.commit();
  }
  void make_directory(const std::string& id) const {
    std::filesystem::create_directory(place / id);
    write_text(place / id / "config.toml", "");
  }
  Bundle bundle() const { return {path, place.path()}; }
};

Files files_in(const Bundle& bundle, const std::string& id) {
  Files files;
  for (const std::string& name : bundle.files(id)) files[name] = bundle.read(id, name, 1 << 20);
  return files;
}

}  // namespace

TEST_CASE("a bundle gives back what was appended to it, run after run, and each run's files as last packed") {
  const Sweep sweep;
  for (const auto& [id, files] : some_runs()) sweep.append(id, files);
  sweep.append("00000000bb", {{"run.h5", "anew"}});
  const Bundle bundle = sweep.bundle();
  CHECK(bundle.problem().empty());
  CHECK(bundle.runs() == std::vector<std::string>{"00000000aa", "00000000bb", "00000000cc"});
  CHECK(files_in(bundle, "00000000aa") == some_runs().at("00000000aa"));
  CHECK(files_in(bundle, "00000000bb") == Files{{"run.h5", "anew"}});
  for (const std::string& id : bundle.runs()) CHECK(bundle.check(id).empty());
  CHECK_FALSE(bundle.has_run("00000000dd"));
  CHECK_THROWS_WITH(bundle.read("00000000aa", "run.h5", 2), Catch::Contains("00000000aa/run.h5: 5 bytes; at most 2"));
}

TEST_CASE("Python's zipfile and sha256sum read a bundle, also one of more entries than 16 bits count") {
  const Sweep sweep;
  sweep.append("00000000aa", some_runs().at("00000000aa"));
  {
    BundleWriter many = sweep.writer();
    for (int i = 0; i < 66'000; ++i) many.add("00000000bb", "f" + std::to_string(i), "x");
    many.end_run("00000000bb");
    many.commit();
  }
  sweep.append("00000000cc", some_runs().at("00000000cc"));
  // 3 + 66000 + 1 files, three lists of sums, and the head.
  write_text(sweep.place / "look.py",
             "import sys, zipfile\n"
             "z = zipfile.ZipFile(sys.argv[1])\n"
             "assert len(z.namelist()) == 66008, len(z.namelist())\n"
             "assert z.testzip() is None\n"
             "assert z.read('00000000aa/run.h5') == b'\\0\\x89HDF'\n"
             "assert z.comment.startswith(b'precipice bundle 1, list ')\n"
             "z.extractall(sys.argv[2], [n for n in z.namelist() if '00000000bb' not in n])\n");
  const std::string out = (sweep.place / "out").string();
  REQUIRE(std::system(
              ("python3 " + (sweep.place / "look.py").string() + " " + sweep.path.string() + " " + out).c_str()) == 0);
  CHECK(std::system(("cd " + out + " && sha256sum --quiet --check SHA256SUMS/*").c_str()) == 0);
}

TEST_CASE("wherever a bundle is cut, every run that it still gives is whole, and one error says that others are lost") {
  const Sweep sweep;
  std::vector<std::size_t> ends;  // of the file after each append
  for (const auto& [id, files] : some_runs()) {
    sweep.append(id, files);
    ends.push_back(std::filesystem::file_size(sweep.path));
  }
  const std::string whole = text_of(sweep.path);
  std::size_t refused = 0, said = 0;
  for (std::size_t size = 1; size < whole.size(); ++size) {
    write_text(sweep.path, whole.substr(0, size));
    INFO(size);
    try {
      const Bundle bundle = sweep.bundle();
      for (const std::string& id : bundle.runs()) {
        CHECK(bundle.check(id).empty());
        CHECK(files_in(bundle, id) == some_runs().at(id));
      }
      const auto appended = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), size) - ends.begin());
      CHECK(bundle.runs().size() >= appended);
      if (!bundle.problem().empty()) {
        ++said;
        CHECK_THAT(bundle.problem(), Catch::Contains(sweep.path.string()) && Catch::Contains(" runs in it are whole"));
        CHECK_THROWS_AS(sweep.writer(), DataError);
      }
    } catch (const DataError& error) {
      CHECK_THAT(error.what(), Catch::Contains(sweep.path.string()));
      ++refused;
    }
  }
  // All but those within a run's first header, which a kill leaves as well.
  CHECK(said + refused > whole.size() * 3 / 4);
}

TEST_CASE(
    "what a kill leaves of an append is no problem while the run has its directory, and is cut by the next append") {
  const Sweep sweep;
  sweep.append("00000000aa", some_runs().at("00000000aa"));
  const std::size_t before = std::filesystem::file_size(sweep.path);
  sweep.append("00000000bb", some_runs().at("00000000bb"));
  const std::string whole = text_of(sweep.path);
  sweep.make_directory("00000000bb");
  for (std::size_t size = before; size < whole.size(); ++size) {
    INFO(size);
    write_text(sweep.path, whole.substr(0, size));
    const Bundle bundle = sweep.bundle();
    REQUIRE(bundle.problem().empty());
    REQUIRE(bundle.runs() == std::vector<std::string>{"00000000aa"});
  }
  sweep.append("00000000bb", some_runs().at("00000000bb"));
  CHECK(text_of(sweep.path) == whole);
}

TEST_CASE("an append that fails leaves the bundle as it was, and a second writer finds it taken") {
  const Sweep sweep;
  sweep.append("00000000aa", some_runs().at("00000000aa"));
  const std::string before = text_of(sweep.path);
  {
    BundleWriter writer = sweep.writer();
    writer.add("00000000bb", "run.h5", "some bytes");
    CHECK_FALSE(BundleWriter::append_to(Directory(sweep.folder), "host.zip", sweep.place.path()).has_value());
  }
  sweep.make_directory("00000000bb");
  CHECK(sweep.bundle().problem().empty());
  sweep.writer();
  CHECK(text_of(sweep.path) == before);
}

TEST_CASE("a changed byte of a file is found, and what is no bundle or of a later version is refused in one line") {
  const Sweep sweep;
  sweep.append("00000000bb", some_runs().at("00000000bb"));
  const std::string whole = text_of(sweep.path);
  std::string changed = whole;
  changed[whole.find("seed = 1")] = 'S';
  write_text(sweep.path, changed);
  CHECK_THAT(sweep.bundle().check("00000000bb"), Catch::Contains("00000000bb/config.toml: damaged"));
  CHECK_THROWS_AS(sweep.bundle().read("00000000bb", "config.toml", 100), DataError);

  std::string later = whole;
  for (std::size_t at = later.find("precipice bundle 1"); at != std::string::npos;
       at = later.find("precipice bundle 1", at))
    later[at + 17] = '7';
  write_text(sweep.path, later);
  CHECK_THROWS_WITH(sweep.bundle(), Catch::Contains("a bundle of version 7; this program reads version 1"));
  for (const std::string& text : {std::string("no archive"), std::string(3000, 'x'), std::string(2'000'000, '\0')}) {
    write_text(sweep.path, text);
    CHECK_THROWS_WITH(sweep.bundle(), Catch::Contains("no bundle of runs"));
  }
}

TEST_CASE("any byte of a bundle may be another, and there is a run, an error, or the same bytes") {
  const Sweep sweep;
  for (const auto& [id, files] : some_runs()) sweep.append(id, files);
  const std::string whole = text_of(sweep.path);
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    write_text(sweep.path, changed);
    INFO(at);
    try {
      const Bundle bundle = sweep.bundle();
      for (const std::string& id : bundle.runs())
        if (bundle.check(id).empty()) CHECK(files_in(bundle, id) == some_runs().at(id));
    } catch (const DataError&) {
    }
  }
}

TEST_CASE("names of entries lead nowhere but into a run's directory") {
  for (const char* name : {"00000000aa/run.h5", "00000000aa/ckpt/x", "00000000aa/empty/", "SHA256SUMS/00000000aa"})
    CHECK(parse_bundle_name(name).has_value());
  for (const char* name : {"run.h5", "../00000000aa/x", "00000000aa/../x", "00000000aa//x", "00000000aa/",
                           "/etc/passwd", "00000000aa/a/../../b", "00000000AA/x", "SHA256SUMS/x", "00000000aa/./x", ""})
    CHECK_FALSE(parse_bundle_name(name).has_value());
}

TEST_CASE("crc32 gives the published answer, and may be continued anywhere") {
  CHECK(crc32("123456789") == 0xCBF43926u);
  CHECK(crc32("") == 0u);
  const std::string text = "The quick brown fox jumps over the lazy dog";
  CHECK(crc32(text) == 0x414FA339u);
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(crc32(text.substr(cut), crc32(text.substr(0, cut))) == 0x414FA339u);
}

}  // namespace precipice
