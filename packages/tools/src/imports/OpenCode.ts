/**
 * The logins of opencode: `auth.json` with times in milliseconds, `mcp-auth.json` with times in seconds, as read in
 * anomalyco/opencode `packages/opencode/src/auth/index.ts` and `src/mcp/auth.ts`. Refreshes are not serialised there, and
 * writers that overlapped have left a brace too many behind the text.
 *
 * Version 2 keeps them in its database, table `credential`, and leaves `auth.json` as it was. The table is there in 1.18.33,
 * too, and empty: so it is what the table holds that tells which of the two counts.
 *
 * Which vendor stands behind a provider is known for those that opencode logs in at with the vendor's own client. Its
 * GitHub login is a token that does not end, of a client of opencode's own.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as LooseJson from "./LooseJson.js"
import * as SqliteFile from "./SqliteFile.js"
import { fromMillis, fromSeconds, login, ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, Source, ToolImport } from "./ToolImport.js"
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

/** Where version 2 keeps everything. `OPENCODE_DB` names another file, or one beside. */
const database = (machine: Machine): string =>
  Option.match(Option.filter(machine.variable("OPENCODE_DB"), (named) => named !== "" && named !== ":memory:"), {
    onNone: () => directory(machine, "opencode.db"),
    onSome: (named) => Path.resolve(directory(machine), named)
  })

const CREDENTIALS = "SELECT integration_id, connector_id, value FROM credential ORDER BY time_updated DESC"

/** How a credential of the database is written, and nothing else of opencode's. */
const MARK = "\"methodID\":"

const rows = (path: string): Either.Either<ReadonlyArray<readonly [string, LooseJson.Members]>, Damage> =>
  Either.map(
    SqliteFile.query(path, CREDENTIALS),
    (found) =>
      found.flatMap(({ connector_id: connector, integration_id: integration, value }) => {
        const name = typeof integration === "string" ? integration : connector
        const members = typeof value === "string" ? Either.getRight(LooseJson.parse(value)) : Option.none()
        return typeof name === "string" && Option.isSome(members) ? [[name, members.value] as const] : []
      })
  )

const open = (path: string): Either.Either<string, Damage> => {
  if (SqliteFile.isReadable()) {
    return Either.map(rows(path), (found) => JSON.stringify(Object.fromEntries([...found].reverse())))
  }
  return Either.right(JSON.stringify(SqliteFile.holds(path, MARK) ? { [UNREADABLE]: path } : {}))
}

/** A name that no integration has. */
const UNREADABLE = "\u0000"

const stored = (source: Source): Either.Either<ReadonlyArray<ToolEntry>, Damage> =>
  Either.map(LooseJson.parse(source.text), (root) =>
    Object.hasOwn(root, UNREADABLE)
      ? [ToolEntry.Elsewhere({
        name: "opencode.db",
        place: `its database (${source.path}), which this version of Node cannot read`,
        instead: "run lockstep with Node 22.13 or later"
      })]
      : LooseJson.objects(root).map(([name, found]) =>
        Option.contains(LooseJson.text(found, "type"), "key") ? ToolEntry.ApiKey({ name }) : provider([name, found])
      ))

/** The old file counts for as long as the table is empty. */
const replacedBy: Format["replacedBy"] = (_, machine) => {
  const path = database(machine)
  const isInUse = SqliteFile.isReadable()
    ? Option.exists(Either.getRight(rows(path)), (found) => found.length > 0)
    : SqliteFile.holds(path, MARK)
  return isInUse ? Option.some(path) : Option.none()
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
      replacedBy,
      read: ({ text }) => Either.map(LooseJson.parseLeading(text), (root) => LooseJson.objects(root).map(provider))
    },
    {
      locate: (machine) => [directory(machine, "mcp-auth.json")],
      read: ({ text }) => Either.map(LooseJson.parseLeading(text), (root) => LooseJson.objects(root).map(server))
    },
    { locate: (machine) => [database(machine)], open, read: stored }
  ]
}
