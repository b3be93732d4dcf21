/**
 * The GitHub logins of Copilot in editors: `hosts.json` by host, `apps.json` by host and client, each with an
 * `oauth_token`. No first-hand description of these files was read: the members are those that other programs look for.
 *
 * Copilot CLI 1.0.102 keeps a token by host and user, in the keyring or, where a person agreed to that, in `authTokens` of
 * its `config.json`, behind lines of comments; a second key of the same token ends in the kind of host. As it wrote it.
 *
 * GitHub's token is exchanged again and again for Copilot's short-lived ones and stays what it is, so that a copy is
 * harmless.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as LooseJson from "./LooseJson.js"
import { login, ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const onWindows = locateIn({ variable: "LOCALAPPDATA", below: ["github-copilot"], otherwise: [] })
const elsewhere = locateIn({
  variable: "XDG_CONFIG_HOME",
  below: ["github-copilot"],
  otherwise: [".config", "github-copilot"]
})

const locate = (file: string) => (machine: Machine): ReadonlyArray<string> => [
  (process.platform === "win32" ? onWindows : elsewhere)(machine, file)
]

const HOST = /^[a-z0-9.-]+$/i

const entry = ([name, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const [host = "", clientId] = name.split(":")
  return login(name, Option.some("copilot"), {
    vendor: Option.some("copilot"),
    // The vendor's usual domain needs no naming.
    issuer: host === "github.com" || !HOST.test(host) ? Option.none() : Option.some(`https://${host}`),
    clientId: Option.fromNullable(clientId),
    accessToken: Option.none(),
    refreshToken: LooseJson.text(found, "oauth_token"),
    account: Option.map(
      LooseJson.text(found, "user"),
      (user) => Account.make({ id: Option.none(), label: Option.some(user) })
    )
  })
}

const read: Format["read"] = ({ text }) =>
  Either.map(LooseJson.parse(text), (root) => LooseJson.objects(root).map(entry))

const cliDirectory = locateIn({ variable: "COPILOT_HOME", otherwise: [".copilot"] })

/** `https://github.com:USER`, and the same with a kind behind it. */
const CLI_KEY = /^(https:\/\/[^/:]+(?::\d+)?):([^:/]+)$/

/** Lines that begin with a comment, as the CLI begins its file. */
const COMMENTS = /^[ \t]*\/\/.*$/gm

const cliEntry = (key: string, token: Option.Option<string>): ReadonlyArray<ToolEntry> => {
  const [, address, user] = CLI_KEY.exec(key) ?? []
  if (address === undefined || user === undefined) return []
  return [login(key, Option.some("copilot"), {
    vendor: Option.some("copilot"),
    issuer: address === "https://github.com" || !URL.canParse(address) ? Option.none() : Option.some(address),
    accessToken: Option.none(),
    refreshToken: token,
    account: Option.some(Account.make({ id: Option.none(), label: Option.some(user) }))
  })]
}

const inKeyring = (key: string): ToolEntry =>
  ToolEntry.Elsewhere({
    name: key,
    place: `the keyring (service copilot-cli, account ${key}), which only Copilot CLI reads`,
    instead: "make a login of its own with `lockstep login copilot`"
  })

const SAFE = /^https:\/\/[\w.:-]+$/

const readCli: Format["read"] = ({ text }) =>
  Either.map(LooseJson.parse(text.replace(COMMENTS, "")), (root) => {
    const tokens = Option.getOrElse(LooseJson.object(root, "authTokens"), (): LooseJson.Members => ({}))
    const users = Array.isArray(root["loggedInUsers"]) ? root["loggedInUsers"] as ReadonlyArray<unknown> : []
    const keys = users.flatMap((one) => {
      const user = typeof one === "object" && one !== null ? one as LooseJson.Members : {}
      return Option.toArray(
        Option.zipWith(LooseJson.text(user, "host"), LooseJson.text(user, "login"), (host, name) => `${host}:${name}`)
      )
    })
    const stored = LooseJson.objects(tokens).flatMap(([key, found]) => cliEntry(key, LooseJson.text(found, "token")))
    const missing = keys.filter((key) => SAFE.test(key) && stored.every(({ name }) => name !== key))
    return [...stored, ...missing.map(inKeyring)]
  })

/**
 * GitHub Copilot.
 *
 * @since 0.1.0
 * @category tools
 */
export const copilot: ToolImport = {
  name: "copilot",
  title: "GitHub Copilot",
  store: Option.none(),
  formats: [
    { locate: locate("hosts.json"), read },
    { locate: locate("apps.json"), read },
    { locate: (machine) => [cliDirectory(machine, "config.json")], read: readCli }
  ]
}
