/**
 * The logins of opencode: `auth.json` with times in milliseconds, `mcp-auth.json` with times in seconds, as read in
 * anomalyco/opencode `packages/opencode/src/auth/index.ts` and `src/mcp/auth.ts`. Refreshes are not serialised there, and
 * writers that overlapped have left a brace too many behind the text.
 *
 * Which vendor stands behind a provider is known for those that opencode logs in at with the vendor's own client. Its
 * GitHub login is a token that does not end, of a client of opencode's own.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as LooseJson from "./LooseJson.js"
import { fromMillis, fromSeconds, login, ToolEntry } from "./ToolEntry.js"
import type { ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({
  variable: "XDG_DATA_HOME",
  below: ["opencode"],
  otherwise: [".local", "share", "opencode"]
})

const VENDORS: ReadonlyMap<string, string> = new Map([["openai", "codex"], ["anthropic", "anthropic-oauth"]])

const provider = ([key, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const name = key.replace(/\/+$/, "")
  const type = Option.getOrElse(LooseJson.text(found, "type"), () => "")
  if (type === "api" || type === "wellknown") return ToolEntry.ApiKey({ name })
  if (type !== "oauth") return ToolEntry.Foreign({ name })
  const vendor = Option.fromNullable(VENDORS.get(name))
  const accessToken = LooseJson.text(found, "access")
  const refreshToken = LooseJson.text(found, "refresh")
  return login(name, Option.orElseSome(vendor, () => name), {
    vendor,
    accessToken,
    // GitHub's token stands in both places.
    refreshToken: Option.isSome(vendor) ? refreshToken : Option.none(),
    expiresAt: Option.flatMap(LooseJson.number(found, "expires"), fromMillis),
    account: Option.map(
      LooseJson.text(found, "accountId"),
      (id) => Account.make({ id: Option.some(id), label: Option.none() })
    )
  })
}

const server = ([name, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const tokens = Option.getOrElse(LooseJson.object(found, "tokens"), (): LooseJson.Members => ({}))
  const client = Option.getOrElse(LooseJson.object(found, "clientInfo"), (): LooseJson.Members => ({}))
  return login(name, Option.some(`mcp:${name}`), {
    clientId: LooseJson.text(client, "clientId"),
    clientSecret: LooseJson.text(client, "clientSecret"),
    resource: LooseJson.text(found, "serverUrl"),
    accessToken: LooseJson.text(tokens, "accessToken"),
    refreshToken: LooseJson.text(tokens, "refreshToken"),
    scope: LooseJson.text(tokens, "scope"),
    expiresAt: Option.flatMap(LooseJson.number(tokens, "expiresAt"), fromSeconds)
  })
}

/**
 * opencode.
 *
 * @since 0.1.0
 * @category tools
 */
export const openCode: ToolImport = {
  name: "opencode",
  title: "opencode",
  store: Option.none(),
  formats: [
    {
      locate: (machine) => [directory(machine, "auth.json")],
      read: ({ text }) => Either.map(LooseJson.parseLeading(text), (root) => LooseJson.objects(root).map(provider))
    },
    {
      locate: (machine) => [directory(machine, "mcp-auth.json")],
      read: ({ text }) => Either.map(LooseJson.parseLeading(text), (root) => LooseJson.objects(root).map(server))
    }
  ]
}
