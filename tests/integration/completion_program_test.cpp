// SPDX-License-Identifier: Apache-2.0
// What `precipice complete-words` answers, and what bash, zsh and fish make of it.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;

namespace {

using Words = std::vector<std::string>;

// Candidates for the last word, without descriptions.
Words words_for(const Workplace& place, Words line) {
  line.insert(line.begin(), "complete-words");
  const ProgramResult result = place.run(line);
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
  Words words;
  std::istringstream lines(result.out);
  for (std::string text; std::getline(lines, text);) words.push_back(text.substr(0, text.find('\t')));
  return words;
}

bool holds(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_installed(const std::string& shell) {
  return std::system(("command -v " + shell + " >/dev/null 2>&1").c_str()) == 0;
}

#define REQUIRE_SHELL(shell)                                    \
  if (!is_installed(shell)) {                                   \
    WARN("skipped: this machine has no " + std::string(shell)); \
    return;                                                     \
  }

// The script of a shell in a file of the workplace.
std::string script_of(const Workplace& place, const std::string& shell) {
  const ProgramResult result = place.run({"completion", shell});
  REQUIRE(result.exit_code == 0);
  write_text(place.path("script." + shell), result.out);
  return place.path("script." + shell);
}

// What the shell prints for these commands, errors included.
std::string said_by(const Workplace& place, const std::string& shell, const std::string& commands) {
  write_text(place.path("commands"), commands);
  const std::string out = place.path("said");
  const std::string line = "cd '" + place.dir.path().string() + "' && HOME='" + place.dir.path().string() + "' " +
                           shell + " '" + place.path("commands") + "' >'" + out + "' 2>&1 </dev/null";
  CHECK(std::system(line.c_str()) == 0);
  return text_of(out);
}

// COMPREPLY after bash's function has seen a line whose words bash has cut.
std::string bash_reply(const Workplace& place, const std::string& script, const std::string& line,
                       const std::string& words, int at) {
  return said_by(place, "bash",
                 "source '" + script + "'\nCOMP_WORDS=('" + program_path() + "' " + words +
                     ")\nCOMP_CWORD=" + std::to_string(at) + "\nCOMP_LINE=\"" + program_path() + " " + line +
                     "\"\nLC_ALL=C\nCOMP_POINT=${#COMP_LINE}\n_precipice\necho \"${COMPREPLY[*]}\"\n");
}

// A shell at a pseudo-terminal, to which keys are sent once it has said something new.
class TypedShell {
 public:
  TypedShell(const Words& words, const std::string& home) {
    pid_ = forkpty(&master_, nullptr, nullptr, nullptr);
    if (pid_ != 0) return;
    setenv("HOME", home.c_str(), 1), setenv("TERM", "dumb", 1);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (chdir(home.c_str()) == 0) execvp(argv[0], argv.data());
    _exit(127);
  }
  ~TypedShell() {
    if (pid_ <= 0) return;
    close(master_);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  TypedShell(const TypedShell&) = delete;
  TypedShell& operator=(const TypedShell&) = delete;
  bool works() const { return pid_ > 0; }
  void type(const std::string& keys) const { CHECK(write(master_, keys.data(), keys.size()) > 0); }
  // Reads until the shell has said this; false after 20 seconds.
  bool says(const std::string& expected) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!contains(said_, expected) && std::chrono::steady_clock::now() < end) {
      pollfd ready{master_, POLLIN, 0};
      char buffer[4096];
      if (poll(&ready, 1, 100) <= 0) continue;
      const ssize_t size = read(master_, buffer, sizeof buffer);
      if (size <= 0) return false;
      said_.append(buffer, static_cast<std::size_t>(size));
    }
    return contains(said_, expected);
  }
  const std::string& said() const { return said_; }

 private:
  int master_ = -1;
  pid_t pid_ = -1;
  std::string said_;
};

// What a person gets who types `begun`, TAB and Return: the command that was made of it writes into a file.
std::string typed_result(const Workplace& place, const Words& shell, const std::string& setup,
                         const std::string& begun) {
  TypedShell typed(shell, place.dir.path().string());
  if (!typed.works()) return "skipped";
  typed.type("PS1='> '; " + setup + "; echo rea''dy\n");
  if (!typed.says("ready")) return typed.said();
  typed.type(program_path() + " " + begun + "\t >answer; echo do''ne\n");
  if (!typed.says("done")) return typed.said();
  return text_of(place.path("answer"));
}

}  // namespace

TEST_CASE("commands, options, values and arguments are offered from the parser's own declarations", "[integration]") {
  const Workplace place;
  CHECK(words_for(place, {"re"}) == Words{"recipes", "report"});
  CHECK(holds(words_for(place, {}), "train"));
  CHECK(!holds(words_for(place, {""}), "complete-words"));
  CHECK(words_for(place, {"help", "bi"}) == Words{"bisect"});
  CHECK(words_for(place, {"train", place.config(), "--q"}) == Words{"--quiet"});
  CHECK(words_for(place, {"train", place.config(), "--", "--q"}).empty());
  CHECK(words_for(place, {"train", place.config(), "schedule.w"}) == Words{"schedule.warmup_steps="});
  CHECK(words_for(place, {"train", "--out", "x", place.config(), "model.kind=l"}) == Words{"model.kind=llama"});
  CHECK(words_for(place, {"sweep", "s.toml", "model.kind=gpt,"}) ==
        Words{"model.kind=gpt,gpt", "model.kind=gpt,llama", "model.kind=gpt,mlp"});
  CHECK(words_for(place, {"sweep", "s.toml", "--only", ""}) == Words{"failed", "missing"});
  CHECK(words_for(place, {"sweep", "s.toml", "--only=f"}) == Words{"--only=failed"});
  CHECK(words_for(place, {"cast", "--format", "e2"}) == Words{"e2m3", "e2m1"});
  CHECK(words_for(place, {"cast", "-1.5", "--rounding=sr-"}) == Words{"--rounding=sr-b", "--rounding=sr-c"});
  CHECK(words_for(place, {"gemm", "--recipe", "nvfp4:rh"}) == Words{"nvfp4:rht="});
  CHECK(words_for(place, {"recipes", "deeps"}) == Words{"deepseek-v3"});
  CHECK(words_for(place, {"formats", "gau"}) == Words{"gaudi_e4m3"});
  CHECK(words_for(place, {"completion", ""}) == Words{"bash", "zsh", "fish"});
  CHECK(words_for(place, {"train", place.config(), "--dry-run", "[a,b]", "\"", "-", "no=such", "--no-such"}).empty());
  CHECK(words_for(place, {"no-such-command", ""}).empty());
}

TEST_CASE("where a path is expected, the shell is asked for names", "[integration]") {
  const Workplace place;
  CHECK(words_for(place, {"train", ""}) == Words{":files"});
  CHECK(words_for(place, {"train", "c.toml", "--out", ""}) == Words{":files"});
  CHECK(place.run({"complete-words", "train", "c.toml", "data.path=a"}).out == ":files\tdata.path=\n");
  CHECK(place.run({"complete-words", "train", "c.toml", "--out=a"}).out == ":files\t--out=\n");
  CHECK(words_for(place, {"status", ""}) == Words{":directories"});
  CHECK(words_for(place, {"report", ""}) == Words{":directories"});
  CHECK(words_for(place, {"label", "ru"}) == Words{":directories"});
}

TEST_CASE("a shell without a script is refused with those that have one", "[integration]") {
  const Workplace place;
  const ProgramResult result = place.run({"completion", "tcsh"});
  CHECK(result.exit_code == 2);
  CHECK(contains(result.err, "bash,zsh,fish"));
}

TEST_CASE("bash offers words although it cuts them at equals signs and colons", "[integration]") {
  const Workplace place;
  const std::string script = script_of(place, "bash");
  CHECK(bash_reply(place, script, "bis", "bis", 1) == "bisect\n");
  CHECK(bash_reply(place, script, "train c.toml optimizer.nes", "train c.toml optimizer.nes", 3) ==
        "optimizer.nesterov=\n");
  CHECK(bash_reply(place, script, "train c.toml model.kind=", "train c.toml model.kind =", 4) == "gpt llama mlp\n");
  CHECK(bash_reply(place, script, "train c.toml precision.recipe=mxfp8", "train c.toml precision.recipe = mxfp8", 5) ==
        "mxfp8\n");
  CHECK(bash_reply(place, script, "train c.toml precision.recipe=mxfp8:ru",
                   "train c.toml precision.recipe = mxfp8 : ru", 7) == "rule=\n");
  CHECK(bash_reply(place, script, "train c.toml precision.recipe='mxfp8:ru",
                   "train c.toml precision.recipe = \"'mxfp8:ru\"", 5) == "mxfp8:rule=\n");
  CHECK(bash_reply(place, script, "train 'é b.toml' precision.x=e4m3f", "train \"'é b.toml'\" precision.x = e4m3f",
                   5) == "e4m3fnuz\n");
  CHECK(bash_reply(place, script, "train c.toml --qu", "train c.toml --qu", 3) == "--quiet\n");
  CHECK(bash_reply(place, script, "train ", "train ''", 2) == "\n");
}

TEST_CASE("the TAB key completes a recipe and the value of an option in bash", "[integration]") {
  const Workplace place;
  const Words bash = {"bash", "--norc", "--noprofile", "-i"};
  const std::string setup = "source '" + script_of(place, "bash") + "'";
  const std::string recipe = typed_result(place, bash, setup, "recipes deeps");
  if (recipe == "skipped") {
    WARN("skipped: this machine has no pseudo-terminal");
    return;
  }
  CHECK(contains(recipe, "deepseek-v3"));
  CHECK(contains(typed_result(place, bash, setup, "cast 300 --format=gau"), "240"));
}

TEST_CASE("zsh reads its script and the TAB key completes a recipe", "[integration]") {
  REQUIRE_SHELL("zsh");
  const Workplace place;
  const std::string script = script_of(place, "zsh");
  CHECK(said_by(place, "zsh -n", text_of(script)).empty());
  const std::string result =
      typed_result(place, {"zsh", "-f", "-i"}, "autoload -U compinit && compinit -u -d dump; source '" + script + "'",
                   "recipes deeps");
  if (result == "skipped") {
    WARN("skipped: this machine has no pseudo-terminal");
    return;
  }
  CHECK(contains(result, "deepseek-v3"));
}

TEST_CASE("fish reads its script and offers keys, values and names of files", "[integration]") {
  REQUIRE_SHELL("fish");
  const Workplace place;
  const std::string script = script_of(place, "fish");
  CHECK(said_by(place, "fish --no-execute", text_of(script)).empty());
  const auto offered = [&](const std::string& line) {
    return said_by(place, "fish", "source '" + script + "'\ncomplete -C \"" + program_path() + " " + line + "\"\n");
  };
  CHECK(contains(offered("bis"), "bisect\t"));
  CHECK(contains(offered("train tiny.toml optimizer.nes"), "optimizer.nesterov=\t"));
  CHECK(offered("train tiny.toml model.kind=") == "model.kind=gpt\nmodel.kind=llama\n");
  CHECK(contains(offered("train tiny.toml precision.recipe=mxfp8:ru"), "precision.recipe=mxfp8:rule=\t"));
  CHECK(offered("train tin") == "tiny.toml\n");
  CHECK(offered("train tiny.toml data.path=tin") == "data.path=tiny.toml\n");
}
