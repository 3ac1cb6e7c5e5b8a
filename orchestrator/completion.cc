// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/completion.h"

#include <CLI/CLI.hpp>

#include <map>
#include <set>
#include <utility>
#include <vector>

namespace vmferry {
namespace {

using Words = std::vector<std::pair<std::string, std::string>>;

std::string OptionsOf(const CLI::App& app) {
  std::string line;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) line += "--" + name + " ";
  return line;
}

// "run" -> "--site --reason --journal --json", for every command; "audit show" for those below. The program's own
// options may stand anywhere.
void Collect(const CLI::App& app, const std::string& path, const std::string& everywhere,
             const std::map<std::string, std::string>& values, Words& words) {
  std::string line;
  for (const CLI::App* child : app.get_subcommands(nullptr)) line += child->get_name() + " ";
  const auto known = values.find(path);
  if (known != values.end()) line += known->second + " ";
  words.emplace_back(path, line + OptionsOf(app) + (path.empty() ? "" : everywhere));
  for (const CLI::App* child : app.get_subcommands(nullptr))
    Collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), everywhere, values, words);
}

// Options behind which a word is their value.
void CollectValued(const CLI::App& app, std::set<std::string>& valued) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      if (option->get_items_expected_max() > 0) valued.insert("--" + name);
  for (const CLI::App* child : app.get_subcommands(nullptr)) CollectValued(*child, valued);
}

std::string Joined(const std::set<std::string>& words, const std::string& between) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : between) + word;
  return line;
}

std::string Bash(const CLI::App& app, const Words& words) {
  std::set<std::string> valued, paths;
  CollectValued(app, valued);
  for (const auto& [path, line] : words)
    if (path.find(' ') != std::string::npos) paths.insert("'" + path + "'");
  std::string text =
      "_vmferry() {\n"
      "  local path='' word before='' at=1\n"
      "  while [ $at -lt $COMP_CWORD ]; do\n"
      "    word=${COMP_WORDS[$at]}; at=$((at + 1))\n"
      "    case \"$before\" in " +
      Joined(valued, "|") +
      ") before=''; continue ;; esac\n"
      "    before=$word\n"
      "    case \"$word\" in -*) continue ;; esac\n"
      "    [ -n \"$path\" ] || { path=$word; continue; }\n"
      "    case \"$path $word\" in " +
      Joined(paths, "|") +
      ") path=\"$path $word\" ;; esac\n"
      "  done\n"
      "  case \"$before\" in " +
      Joined(valued, "|") +
      ") COMPREPLY=(); return ;; esac\n"
      "  case \"$path\" in\n";
  for (const auto& [path, line] : words)
    text += "    '" + path + "') COMPREPLY=($(compgen -W '" + line + "' -- \"${COMP_WORDS[$COMP_CWORD]}\")) ;;\n";
  return text + "  esac\n}\ncomplete -o default -F _vmferry vmferry\n";
}

std::string Fish(const CLI::App& app) {
  std::string text = "complete -c vmferry -n __fish_use_subcommand -f\n";
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string& name = command->get_name();
    text += "complete -c vmferry -n __fish_use_subcommand -a " + name + " -d '" + command->get_description() + "'\n";
    for (const CLI::App* part : command->get_subcommands(nullptr))
      text += "complete -c vmferry -n '__fish_seen_subcommand_from " + name + "' -a " + part->get_name() + " -d '" +
              part->get_description() + "'\n";
    for (const CLI::Option* option : command->get_options())
      for (const std::string& word : option->get_lnames())
        text += "complete -c vmferry -n '__fish_seen_subcommand_from " + name + "' -l " + word + "\n";
  }
  return text;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, const std::string& shell,
                             const std::map<std::string, std::string>& values) {
  if (shell == "fish") return Fish(app);
  Words words;
  Collect(app, "", OptionsOf(app), values, words);
  const std::string bash = Bash(app, words);
  return shell == "bash" ? bash : "autoload -U +X bashcompinit && bashcompinit\n" + bash;
}

}  // namespace vmferry
