/**
 * The completion scripts of the shells, out of what the commands take: commands, options, each choice as a word of its own,
 * and logins, which the script asks this command for. Nothing is offered that the command line refuses.
 *
 * @since 0.1.0
 */
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Cli from "../Cli.js"
import * as FleetStore from "../wiring/FleetStore.js"
import * as Grammar from "./Grammar.js"
import { UsageError } from "./UsageError.js"

const OPTION = "--completions"

/** What the script asks for the names of the logins. */
const LOGINS = "logins"

const SHELLS = ["bash", "fish", "sh", "zsh"] as const

type Shell = typeof SHELLS[number]

/**
 * Reads `lockstep completions SHELL`, as many commands have it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lineOf = (line: ReadonlyArray<string>): ReadonlyArray<string> =>
  line[0] === "completions" ? [OPTION, ...line.slice(1)] : line

/**
 * What is asked for: a script, the names of the logins, or what is wrong with the question. Nothing where it is none.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (
  options: ReadonlyArray<{ readonly name: string; readonly value: string | undefined }>
): Option.Option<{ readonly shell: Shell } | { readonly logins: true } | UsageError> => {
  const asked = options.find(({ name }) => name === OPTION)
  if (asked === undefined) return Option.none()
  const shell = SHELLS.find((one) => one === asked.value)
  return Option.some(
    shell !== undefined ? { shell } : asked.value === LOGINS ? { logins: true } : new UsageError({
      reason: "Arguments",
      message: "completions: the name of a shell is expected",
      advice: `use one of ${SHELLS.map((one) => `\`lockstep completions ${one}\``).join(", ")}`
    })
  )
}

/** Arguments in whose place the name of a login stands. */
const NAMES_LOGIN = /\bTENANT\b/

interface Entry {
  /** The words that lead here, with spaces. */
  readonly command: string
  /** The words that may come next, options included. */
  readonly words: ReadonlyArray<string>
  /** Whether a login may come next. */
  readonly takesLogin: boolean
}

/** `--help` and where the command acts: the same for all, and `--completions` and `--version` for none. */
const HIDDEN = new Set(["--completions", "-h"])

const entryOf = (command: string): Entry => {
  const { options, words } = Grammar.of(command === "" ? undefined : command)
  const behind = command === ""
    ? Object.keys(Cli.commands).filter((name) => !name.includes(" "))
    : Cli.subcommands[command as keyof typeof Cli.subcommands] ?? []
  return {
    command,
    words: [
      ...behind,
      ...(command === "" ? ["help", "completions"] : []),
      ...options.flatMap(({ names }) => names).filter((name) =>
        !HIDDEN.has(name) && (command === "" || name !== "--version")
      )
    ],
    takesLogin: words.some(({ name }) => NAMES_LOGIN.test(name))
  }
}

interface Valued {
  readonly command: string
  readonly option: string
  readonly choices: ReadonlyArray<string>
  /** `FILE` and `DIR` are completed by the shell itself. */
  readonly isPath: boolean
}

/** What every command takes: written once. */
const GLOBAL_CHOICES: ReadonlyArray<readonly [option: string, choices: ReadonlyArray<string>]> = [
  ["--log-level", LogLevel.allLevels.map(({ _tag }) => _tag.toLowerCase())],
  ["--store", [...FleetStore.names, "auto"]],
  [OPTION, SHELLS]
]

const valuedOf = (command: string): ReadonlyArray<Valued> =>
  Grammar.of(command === "" ? undefined : command).options.flatMap(({ choices, names, takes }) =>
    takes === undefined ? [] : names.map((option) => ({
      command,
      option,
      choices,
      isPath: /\b(FILE|DIR)\b/.test(takes)
    }))
  )

const COMMANDS = () => ["", ...Object.keys(Cli.commands)]

const table = () => {
  const entries = COMMANDS().map(entryOf)
  const valued = COMMANDS().flatMap(valuedOf)
  return { entries, valued }
}

/** What bash and zsh share: the same functions, called in each one's own way. */
const posix = (): string => {
  const { entries, valued } = table()
  const two = Object.entries(Cli.subcommands).flatMap(([name, behind]) => behind.map((one) => `"${name} ${one}"`))
  const takesValue = [...new Set(valued.map(({ option }) => option))].sort()
  return `_lockstep_words() {
  # The command that was typed so far: options and their values are passed over.
  local command="" skip="" word
  for word in "$@"; do
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      ${takesValue.join("|")}) skip=1; continue ;;
      -*) continue ;;
    esac
    if [ -z "$command" ]; then command="$word"; continue; fi
    case "$command $word" in
      ${two.join("|")}) command="$command $word" ;;
    esac
  done
  printf '%s' "$command"
}

_lockstep_logins() { lockstep completions ${LOGINS} 2>/dev/null; }

# What may stand behind an option that takes a value; nothing for any other word.
_lockstep_values() {
  case "$1|$2" in
${
    [
      ...GLOBAL_CHOICES.map(([option, choices]) => [`*"|${option}"`, choices] as const),
      ...valued.filter(({ choices }) => choices.length > 0).map(({ choices, command, option }) =>
        [`"${command}|${option}"`, choices] as const
      )
    ].map(([pattern, choices]) => `    ${pattern}) printf '%s\\n' ${choices.join(" ")} ;;`).join("\n")
  }
    *"|"${takesValue.join("|*\"|\"")}) ;;
    *) return 1 ;;
  esac
}

_lockstep_next() {
  case "$1" in
${
    entries.map(({ command, takesLogin, words }) =>
      `    "${command}") printf '%s\\n' ${words.join(" ")}${takesLogin ? "; _lockstep_logins" : ""} ;;`
    ).join("\n")
  }
  esac
}
`
}

const bash = (): string =>
  `# lockstep: source this, or write it to the completions directory of bash.
${posix()}
_lockstep() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before command words
  # Readline breaks words at colons and at =, which logins and options have: the words are taken whole from the line.
  local line="\${COMP_LINE:0:COMP_POINT}"
  local -a typed=()
  read -r -a typed <<<"$line"
  case "$line" in *" ") word="" ;; *) word="\${typed[\${#typed[@]}-1]}"; unset "typed[\${#typed[@]}-1]" ;; esac
  before="\${typed[\${#typed[@]}-1]}"
  command="$(_lockstep_words "\${typed[@]:1}")"
  words="$(_lockstep_values "$command" "$before")" || words="$(_lockstep_next "$command")"
  COMPREPLY=()
  # A login may be called anything: it is matched and quoted here, and no shell expands it.
  local one
  while IFS= read -r one; do
    case "$one" in "$word"?*|"$word") [ -n "$one" ] && COMPREPLY+=("$(printf '%q' "$one")") ;; esac
  done <<<"$words"
  # What readline has before the last colon is not repeated.
  case "$word" in *:*) local i cut="\${word%"\${word##*:}"}"; for i in "\${!COMPREPLY[@]}"; do
    COMPREPLY[i]="\${COMPREPLY[i]#"$cut"}"; done ;; esac
}
complete -o default -F _lockstep lockstep
`

const zsh = (): string =>
  `#compdef lockstep
${posix()}
_lockstep() {
  local command before="\${words[CURRENT-1]}" found
  command="$(_lockstep_words "\${(@)words[2,CURRENT-1]}")"
  found="$(_lockstep_values "$command" "$before")" || found="$(_lockstep_next "$command")"
  if [ -n "$found" ]; then compadd -- "\${(@f)found}"; else _files; fi
}
if [ "$funcstack[1]" = _lockstep ]; then _lockstep "$@"; else compdef _lockstep lockstep; fi
`

const fish = (): string => {
  const { entries, valued } = table()
  const takesValue = [...new Set(valued.map(({ option }) => option))].sort()
  const two = Object.entries(Cli.subcommands).flatMap(([name, behind]) => behind.map((one) => `"${name} ${one}"`))
  return `# lockstep: source this, or write it to ~/.config/fish/completions/lockstep.fish.
function __lockstep_command
  set -l command ""
  set -l skip ""
  for word in (commandline -opc)[2..-1]
    if test -n "$skip"
      set skip ""
      continue
    end
    if contains -- $word ${takesValue.join(" ")}
      set skip 1
    else if string match -q -- "-*" $word
      continue
    else if test -z "$command"
      set command $word
    else if contains -- "$command $word" ${two.join(" ")}
      set command "$command $word"
    end
  end
  echo -n $command
end
function __lockstep_words
  set -l typed (commandline -opc)
  set -l command (__lockstep_command | string collect -a)
  switch "$command|$typed[-1]"
${
    [
      ...GLOBAL_CHOICES.map(([option, choices]) => [`'*|${option}'`, choices] as const),
      ...valued.filter(({ choices }) => choices.length > 0).map(({ choices, command, option }) =>
        [`'${command}|${option}'`, choices] as const
      )
    ].map(([pattern, choices]) => `    case ${pattern}\n      printf '%s\\n' ${choices.join(" ")}\n      return`)
      .join("\n")
  }
  end
  if contains -- $typed[-1] ${takesValue.join(" ")}
    return
  end
  switch "$command"
${
    entries.map(({ command, takesLogin, words }) =>
      `    case '${command}'\n      printf '%s\\n' ${words.join(" ")}${
        takesLogin ? `\n      lockstep completions ${LOGINS} 2>/dev/null` : ""
      }`
    ).join("\n")
  }
  end
end
complete -c lockstep -f -a "(__lockstep_words)"
complete -c lockstep -n 'contains -- (commandline -opc)[-1] ${
    [...new Set(valued.filter(({ isPath }) => isPath).map(({ option }) => option))].sort().join(" ")
  }' -F
`
}

/**
 * The script of a shell.
 *
 * @since 0.1.0
 * @category rendering
 */
export const script = (shell: Shell): string => {
  switch (shell) {
    case "bash":
    case "sh":
      return bash()
    case "zsh":
      return zsh()
    case "fish":
      return fish()
  }
}
