// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/completion.h"

#include <CLI/CLI.hpp>

namespace vmferry {
namespace {

// "run" -> "--site --reason --journal --json", for every command; "audit show" for those below.
void Collect(const CLI::App& app, const std::string& path, std::vector<std::pair<std::string, std::string>>& words) {
  std::string line;
  for (const CLI::App* child : app.get_subcommands(nullptr)) line += child->get_name() + " ";
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) line += "--" + name + " ";
  words.emplace_back(path, line);
  for (const CLI::App* child : app.get_subcommands(nullptr))
    Collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), words);
}

std::string Bash(const std::vector<std::pair<std::string, std::string>>& words) {
  std::string text =
      "_vmferry() {\n"
      "  local path='' word at=1\n"
      "  while [ $at -lt $COMP_CWORD ]; do\n"
      "    word=${COMP_WORDS[$at]}; at=$((at + 1))\n"
      "    case \"$word\" in -*) ;; *) [ -z \"$path\" ] && path=$word || { [ \"$path\" = audit ] && path=\"audit "
      "$word\"; } ;; esac\n"
      "  done\n"
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

std::string CompletionScript(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") return Fish(app);
  std::vector<std::pair<std::string, std::string>> words;
  Collect(app, "", words);
  const std::string bash = Bash(words);
  return shell == "bash" ? bash : "autoload -U +X bashcompinit && bashcompinit\n" + bash;
}

}  // namespace vmferry
