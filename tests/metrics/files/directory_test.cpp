// SPDX-License-Identifier: Apache-2.0
// A directory that is renamed, deleted and replaced while it is written to, and what somebody may have laid into it.
#include "metrics/files/directory.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

std::set<std::string> entries(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

// Makes the directory `a` of `place`, opens it, and calls `meanwhile` before the writes that must be refused.
template <class Meanwhile>
void check_nothing_is_written(const TemporaryDirectory& place, const char* message, const Meanwhile& meanwhile) {
  fs::create_directory(place / "a");
  const Directory directory(place / "a");
  directory.write_atomic("before", "x");
  meanwhile();
  const auto all = [&] { return fs::exists(place / "a") ? entries(place / "a") : std::set<std::string>{}; };
  const std::set<std::string> here = all();
  CHECK_THROWS_WITH(directory.write_atomic("after", "x"), Catch::Contains(message));
  CHECK_THROWS_AS(directory.write_atomic("before", "y"), OutputError);
  CHECK_THROWS_AS(directory.open_log("log"), OutputError);
  CHECK_THROWS_AS(directory.open_journal("before"), OutputError);
  CHECK_THROWS_AS(directory.folder("inner"), OutputError);
  CHECK(all() == here);
}

}  // namespace

TEST_CASE("nothing is written into a directory that was moved, nor into the one in its place") {
  const TemporaryDirectory place;
  check_nothing_is_written(place, "/a: the directory was moved or deleted",
                           [&] { fs::rename(place / "a", place / "b"); });
  CHECK(entries(place / "b") == std::set<std::string>{"before"});
  check_nothing_is_written(place, "another one is in its place", [&] {
    fs::rename(place / "a", place / "c");
    fs::create_directory(place / "a");
    write_text(place / "a/before", "another's");
  });
  CHECK(text_of(place / "a/before") == "another's");
  CHECK(text_of(place / "c/before") == "x");
}

TEST_CASE("a deleted directory is not made again") {
  const TemporaryDirectory place;
  check_nothing_is_written(place, "moved or deleted", [&] { fs::remove_all(place / "a"); });
  CHECK(entries(place.path()).empty());
}

TEST_CASE("a directory that was moved and linked from its old place is written on") {
  const TemporaryDirectory place;
  fs::create_directory(place / "a");
  const Directory directory(place / "a");
  fs::rename(place / "a", place / "b");
  fs::create_directory_symlink("b", place / "a");
  directory.write_atomic("file", "x");
  CHECK(text_of(place / "b/file") == "x");
}

TEST_CASE("links are replaced by an atomic write, refused for appending, and never followed") {
  const TemporaryDirectory place;
  write_text(place / "elsewhere", "mine");
  fs::create_directory(place / "far");
  fs::create_directory(place / "a");
  for (const char* name : {"status", "log"}) fs::create_symlink(place / "elsewhere", place.path() / "a" / name);
  fs::create_symlink(place / "made", place / "a/dangling");
  fs::create_directory_symlink(place / "far", place / "a/ckpt");
  const Directory directory(place / "a");
  directory.write_atomic("status", "new");
  CHECK(fs::is_regular_file(fs::symlink_status(place / "a/status")));
  CHECK_THROWS_WITH(directory.open_log("log"), Catch::Contains("a/log: cannot write: it is a symbolic link"));
  CHECK_THROWS_AS(directory.open_log("dangling"), OutputError);
  CHECK_FALSE(fs::exists(place / "made"));
  CHECK_THROWS_WITH(directory.folder("ckpt"), Catch::Contains("a/ckpt: cannot write: it is a symbolic link"));
  CHECK(directory.read_tail("log", 10).empty());
  CHECK(text_of(place / "elsewhere") == "mine");
}

TEST_CASE("a FIFO or a directory in a file's place neither hangs a reader or writer nor takes what is written") {
  const TemporaryDirectory place;
  const Directory directory(place.path());
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  fs::create_directory(place / "folder");
  ::alarm(20);  // a hang ends the program
  CHECK_THROWS_WITH(directory.open_log("fifo"), Catch::Contains("it is a FIFO"));
  CHECK_THROWS_AS(directory.open_journal("fifo"), OutputError);
  CHECK_THROWS_AS(directory.open_log("folder"), OutputError);
  CHECK_THROWS_AS(directory.read("fifo", 10), DataError);
  CHECK(directory.read_tail("fifo", 10).empty());
  CHECK_THROWS_AS(directory.folder("fifo"), OutputError);
  directory.write_atomic("fifo", "x");
  CHECK(text_of(place / "fifo") == "x");
  ::alarm(0);
}

TEST_CASE("what lies under the name of a temporary file is removed, not written to") {
  const TemporaryDirectory place;
  const Directory directory(place.path());
  write_text(place / "elsewhere", "mine");
  directory.write_atomic("file", "1");
  // The names go on by one each time; a few of the next are taken.
  for (int count = 0; count < 200; ++count)
    fs::create_symlink(place / "elsewhere",
                       place / (".file." + std::to_string(::getpid()) + "." + std::to_string(count) + ".tmp"));
  directory.write_atomic("file", "2");
  CHECK(text_of(place / "file") == "2");
  CHECK(fs::is_regular_file(fs::symlink_status(place / "file")));
  CHECK(text_of(place / "elsewhere") == "mine");
}

TEST_CASE("a device is not replaced by a file") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can make a device");
    return;
  }
  const TemporaryDirectory place;
  if (::mknod((place / "null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) {
    WARN("skipped: no device can be made here");
    return;
  }
  CHECK_THROWS_WITH(write_file_atomic(place / "null", "x"), Catch::Contains("it is a device"));
  CHECK(fs::is_character_file(place / "null"));
}

TEST_CASE("one process at a time has the lock of a directory") {
  const TemporaryDirectory place;
  const Directory first(place.path()), second(place.path());
  CHECK(first.try_lock());
  CHECK_FALSE(second.try_lock());
}

TEST_CASE("the tail of a file is its last bytes") {
  const TemporaryDirectory place;
  const Directory directory(place.path());
  CHECK(directory.read_tail("none", 3).empty());
  write_text(place / "file", "12345");
  CHECK(directory.read_tail("file", 3) == "345");
  CHECK(directory.read_tail("file", 10) == "12345");
}

TEST_CASE("temporary files of dead processes are removed, all others stay") {
  const TemporaryDirectory place;
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const std::string stale = ".run.h5." + std::to_string(dead) + ".0.tmp";
  const std::string living = ".run.h5." + std::to_string(::getpid()) + ".0.tmp";
  for (const std::string& name : {stale, living, std::string(".tmp"), std::string("run.h5"), std::string(".a.b.c.tmp")})
    write_text(place / name, "x");
  Directory(place.path()).remove_stale_temporaries();
  CHECK_FALSE(fs::exists(place / stale));
  CHECK(entries(place.path()).size() == 4);
}

TEST_CASE("a directory that cannot be opened is an OutputError") {
  const TemporaryDirectory place;
  write_text(place / "file", "x");
  CHECK_THROWS_AS(Directory(place / "missing"), OutputError);
  CHECK_THROWS_AS(Directory(place / "file"), OutputError);
}

}  // namespace precipice
