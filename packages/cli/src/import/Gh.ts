/**
 * The login of GitHub's command line tool: `hosts.yml`, as read in cli/cli `internal/config/config.go`. By default the
 * file names the account and the token is in the keyring, for which the tool itself is asked. Its tokens do not end
 * and are not refreshed, so that a copy harms neither program.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as LooseJson from "@lockstep/tools/imports/LooseJson"
import { login, ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import type { ToolImport } from "@lockstep/tools/imports/ToolImport"
import { locateIn } from "@lockstep/tools/imports/ToolImport"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Yaml from "yaml"

const configuration = locateIn({ variable: "GH_CONFIG_DIR", otherwise: [] })
const elsewhere = locateIn({ variable: "XDG_CONFIG_HOME", below: ["gh"], otherwise: [".config", "gh"] })

/** Characters. A file of hosts has some hundred; YAML of any size is a way to waste time. */
const LIMIT = 256 * 1024

/** An alias could make a small text a large one, and an error or a warning would quote what it is about. */
const parse = Option.liftThrowable((text: string): unknown =>
  Yaml.parse(text, { maxAliasCount: 0, prettyErrors: false, logLevel: "silent", schema: "core" })
)

const isMembers = (value: unknown): value is LooseJson.Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const HOST = /^[a-z0-9.-]+(?::\d+)?$/i

/** YAML folds lines into a value; what has more than a word in it is no name. */
const USER = /^[\w.-]{1,100}$/

const token = (name: string, found: LooseJson.Members, user: Option.Option<string>): Option.Option<ToolEntry> =>
  Option.map(LooseJson.text(found, "oauth_token"), (accessToken) =>
    login(name, Option.some("gh"), {
      accessToken: Option.some(accessToken),
      refreshToken: Option.none(),
      account: Option.map(user, (label) => Account.make({ id: Option.none(), label: Option.some(label) }))
    }))

const inKeyring = (host: string): ToolEntry =>
  ToolEntry.Elsewhere({
    name: host,
    place: "the keyring",
    instead: `gh auth token --hostname ${host} | lockstep import TENANT --from -`
  })

const entries = ([host, found]: readonly [string, LooseJson.Members]): ReadonlyArray<ToolEntry> => {
  const active = Option.filter(LooseJson.text(found, "user"), (user) => USER.test(user))
  const users = LooseJson.objects(Option.getOrElse(LooseJson.object(found, "users"), (): LooseJson.Members => ({})))
  const tokens = [
    ...Option.toArray(token(host, found, active)),
    ...users
      .filter(([user]) => USER.test(user) && !Option.contains(active, user))
      .flatMap(([user, one]) => Option.toArray(token(`${host}/${user}`, one, Option.some(user))))
  ]
  return tokens.length > 0 ? tokens : [inKeyring(host)]
}

/**
 * GitHub CLI.
 *
 * @since 0.1.0
 * @category tools
 */
export const gh: ToolImport = {
  name: "gh",
  title: "GitHub CLI",
  store: Option.none(),
  formats: [{
    locate: (machine) => [
      Option.isSome(Option.filter(machine.variable("GH_CONFIG_DIR"), (directory) => directory !== ""))
        ? configuration(machine, "hosts.yml")
        : elsewhere(machine, "hosts.yml")
    ],
    read: ({ text }) => {
      if (text.length > LIMIT) return Either.left("too large")
      const root = Option.filter(parse(text), isMembers)
      return Option.match(root, {
        onNone: () => Either.left("not a map of hosts in YAML"),
        onSome: (hosts) => Either.right(LooseJson.objects(hosts).filter(([host]) => HOST.test(host)).flatMap(entries))
      })
    }
  }]
}
