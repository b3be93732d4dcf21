/**
 * The logins of OpenClaw, one set per agent, as read in openclaw 2026.9.6: a JSON text in the table `auth_profile_store` of
 * `agents/ID/agent/openclaw-agent.sqlite`. Older versions kept the same text in `auth-profiles.json` beside it, which is
 * moved once and read no more. Its locks are its own, and Lockstep does not take them.
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
import { fromMillis, login, ToolEntry } from "./ToolEntry.js"
import type { Format, Machine, Source, ToolImport } from "./ToolImport.js"
import { locateIn } from "./ToolImport.js"

const directory = locateIn({ variable: "OPENCLAW_STATE_DIR", otherwise: [".openclaw"] })

const DATABASE = "openclaw-agent.sqlite"
const FILE = "auth-profiles.json"

const VENDORS: ReadonlyMap<string, string> = new Map([["openai-codex", "codex"], ["anthropic", "anthropic-oauth"]])

const inEveryAgent = (file: string) => (machine: Machine): ReadonlyArray<string> =>
  [...machine.names(directory(machine, "agents"))].sort().map((agent) =>
    directory(machine, "agents", agent, "agent", file)
  )

const agentOf = (path: string): string => Path.basename(Path.dirname(Path.dirname(path)))

const profile = (agent: string) => ([id, found]: readonly [string, LooseJson.Members]): ToolEntry => {
  const name = `${agent}/${id}`
  if (!Option.contains(LooseJson.text(found, "type"), "oauth")) return ToolEntry.ApiKey({ name })
  const provider = Option.getOrElse(LooseJson.text(found, "provider"), () => id.split(":", 1)[0]!)
  const vendor = Option.fromNullable(VENDORS.get(provider))
  const [accountId, label] = [LooseJson.text(found, "accountId"), LooseJson.text(found, "email")]
  return login(name, Option.orElseSome(vendor, () => provider), {
    vendor,
    accessToken: LooseJson.text(found, "access"),
    refreshToken: LooseJson.text(found, "refresh"),
    expiresAt: Option.flatMap(LooseJson.number(found, "expires"), fromMillis),
    account: Option.isSome(accountId) || Option.isSome(label)
      ? Option.some(Account.make({ id: accountId, label }))
      : Option.none()
  })
}

const read = ({ path, text }: Source): Either.Either<ReadonlyArray<ToolEntry>, Damage> =>
  Either.map(LooseJson.parse(text), (root) =>
    Option.match(LooseJson.text(root, UNREADABLE), {
      onSome: (place) => [ToolEntry.Elsewhere({
        name: agentOf(place),
        place: `its database (${place}), which this version of Node cannot read`,
        instead: "run lockstep with Node 22.13 or later"
      })],
      onNone: () =>
        LooseJson.objects(Option.getOrElse(LooseJson.object(root, "profiles"), (): LooseJson.Members => ({})))
          .map(profile(agentOf(path)))
    }))

const UNREADABLE = "\u0000"

/** How a profile is written, in the store and nowhere else. */
const MARK = "\"profiles\":"

const open = (path: string): Either.Either<string, Damage> => {
  if (!SqliteFile.isReadable()) {
    return Either.right(JSON.stringify(SqliteFile.holds(path, MARK) ? { [UNREADABLE]: path } : {}))
  }
  return Either.map(
    SqliteFile.query(path, "SELECT store_json FROM auth_profile_store ORDER BY updated_at DESC LIMIT 1"),
    ([row]) => typeof row?.["store_json"] === "string" ? row["store_json"] : "{}"
  )
}

const replacedBy: Format["replacedBy"] = (path, machine) => {
  const beside = Path.dirname(path)
  return machine.names(beside).includes(DATABASE) ? Option.some(Path.join(beside, DATABASE)) : Option.none()
}

/**
 * OpenClaw.
 *
 * @since 0.1.0
 * @category tools
 */
export const openClaw: ToolImport = {
  name: "openclaw",
  title: "OpenClaw",
  store: Option.none(),
  formats: [
    { locate: inEveryAgent(DATABASE), open, read },
    { locate: inEveryAgent(FILE), replacedBy, read }
  ]
}
