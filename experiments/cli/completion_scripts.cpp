// SPDX-License-Identifier: Apache-2.0
// Sources: bash's manual, "Programmable Completion"; zshcompsys(1) and zshcompwid(1); fish's manual, "complete".
#include "experiments/cli/completion_scripts.h"

#include "precision/base/check.h"

namespace precipice {
namespace {

// Bash cuts words at '=' and ':' (COMP_WORDBREAKS) and replaces only what follows the last of them, unless a quote
// began after it. COMP_POINT counts bytes, hence the locale.
constexpr const char* kBash = R"(# Completion of precipice for bash: source <(precipice completion bash)
_precipice() {
  local LC_ALL=C
  local line=${COMP_LINE:0:COMP_POINT} program=${COMP_WORDS[0]} breaks='' skip='' piece='' word i
  local -a words=()
  COMPREPLY=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    [[ $i == 0 || $line == [[:space:]]* ]] && words+=('')
    line=${line#"${line%%[![:space:]]*}"}
    piece=${COMP_WORDS[i]}
    ((i == COMP_CWORD)) && piece=$line
    line=${line#"$piece"}
    words[${#words[@]} - 1]+=${piece//[\"\'\\]/}
  done
  local current=${words[${#words[@]} - 1]}
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'
  [[ -n $breaks ]] && skip=${current%"${current##*[$breaks]}"}
  [[ $piece == [\"\']* ]] && skip=${current%"${piece//[\"\'\\]/}"}
  [[ $program == '~/'* ]] && program=$HOME${program:1}
  while IFS=$'\t' read -r word _; do
    case $word in
      :files) compopt -o default 2>/dev/null ;;
      :directories) compopt -o dirnames 2>/dev/null ;;
      *=) compopt -o nospace 2>/dev/null; COMPREPLY+=("${word#"$skip"}") ;;
      *) COMPREPLY+=("${word#"$skip"}") ;;
    esac
  done < <("$program" complete-words "${words[@]:1}" 2>/dev/null)
}
complete -F _precipice precipice
)";

constexpr const char* kZsh = R"(#compdef precipice
# Completion of precipice for zsh, after compinit: source <(precipice completion zsh)
# or, as a file _precipice in a folder of $fpath: precipice completion zsh > FOLDER/_precipice
_precipice() {
  local program=${(Q)words[1]} word note
  local -a whole unfinished
  [[ $program == '~'* ]] && program=${~program}
  while IFS=$'\t' read -r word note; do
    case $word in
      (:files|:directories)
        [[ -n $note ]] && compset -P "${(b)note}"
        if [[ $word == :files ]]; then _files; else _files -/; fi
        return ;;
      (*=) unfinished+=("${word//:/\\:}${note:+:$note}") ;;
      (*) whole+=("${word//:/\\:}${note:+:$note}") ;;
    esac
  done < <($program complete-words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
  local found=1
  (( $#whole )) && _describe 'word' whole && found=0
  (( $#unfinished )) && _describe 'word' unfinished -S '' && found=0
  return found
}
if [[ $funcstack[1] == _precipice ]]; then
  _precipice "$@"
elif (( $+functions[compdef] )); then
  compdef _precipice precipice
else
  print -u2 'precipice completion: run compinit first (autoload -U compinit; compinit)'
fi
)";

constexpr const char* kFish = R"(# Completion of precipice for fish: precipice completion fish | source
function __precipice_words
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l current (string replace -ra '["\']' '' -- (commandline -ct))
    for line in ($program complete-words $words "$current" 2>/dev/null)
        set -l parts (string split -m 1 \t -- $line)
        set -l name (string sub -s (math 1 + (string length -- "$parts[2]")) -- "$current")
        switch $parts[1]
            case :files
                for file in (__fish_complete_path "$name" '')
                    echo "$parts[2]$file"
                end
            case :directories
                for folder in (__fish_complete_directories "$name" '')
                    echo "$parts[2]$folder"
                end
            case '*'
                echo $line
        end
    end
end
complete -c precipice -f -a '(__precipice_words)'
)";

}  // namespace

const std::vector<std::string>& completion_shells() {
  static const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  return shells;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  PRECIPICE_CHECK(shell == "fish", "no script for the shell ", shell);
  return kFish;
}

}  // namespace precipice
