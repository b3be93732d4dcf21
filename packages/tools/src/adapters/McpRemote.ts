/**
 * The logins of mcp-remote 0.15: a file of tokens per server, `~/.mcp-auth/mcp-remote-v1/HASH_tokens.json`, and beside it
 * the client, `HASH_client_info.json`. Read in mcp-remote 0.15.1, `src/lib/mcp-auth-config.ts`, `utils.ts` and
 * `node-oauth-client-provider.ts`.
 *
 * - `HASH` is made of the server's address, and of headers and parameters where mcp-remote is told some. No file says the
 *   address. A caller that names it (`mcp-remote:URL`) has it for the resource; the tenant is `mcp:HASH` all the same.
 * - `expires_at` is in milliseconds and on time. `issuer` stands in one file or in both: a refresh of mcp-remote's own
 *   leaves it out of the first.
 * - mcp-remote replaces the file, and locks no write. A refresh before the expiry holds a lease; one after a 401 does not,
 *   which is mcp-remote's own race and no less one without us.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Located, Surroundings, ToolDocument, ToolFile } from "../ToolFile.js"
import * as ToolJson from "../ToolJson.js"
import * as ToolToken from "../ToolToken.js"

const TOKENS = "_tokens.json"
const CLIENT = "_client_info.json"

const SHAPE = {
  access_token: "text?",
  refresh_token: "text?",
  id_token: "text?",
  token_type: "text?",
  scope: "text?",
  issuer: "text?"
} as const

/**
 * The directory that this version keeps its logins in.
 *
 * @since 0.1.0
 * @category getters
 */
export const directory = ({ userHome, variable }: Surroundings): string =>
  Path.resolve(
    Option.getOrElse(
      Option.filter(variable("MCP_REMOTE_CONFIG_DIR"), (named) => named !== ""),
      () => Path.join(userHome, ".mcp-auth")
    ),
    "mcp-remote-v1"
  )

const hashOf = (path: string): string => Path.basename(path).replace(TOKENS, "")

const readClient = (path: string): Option.Option<ToolDocument> => {
  try {
    const text = Fs.readFileSync(Path.join(Path.dirname(path), `${hashOf(path)}${CLIENT}`), "utf8")
    return Either.getRight(ToolJson.parse(text))
  } catch {
    // A login goes without it, but for a refresh.
    return Option.none()
  }
}

const decode = (
  document: ToolDocument,
  path: string,
  url: Option.Option<string>
): Either.Either<Option.Option<Credential.Credential>, Damage> => {
  const { root } = document
  const wrong = ToolJson.mismatch(document, root, SHAPE)
  if (Option.isSome(wrong)) {
    return Either.left(ToolJson.damage([wrong.value], "not of the expected type, or there twice"))
  }
  const token = (name: string) => ToolToken.read(document, root, name)
  if (Option.isNone(token("access_token")) && Option.isNone(token("refresh_token"))) return Either.right(Option.none())
  const client = readClient(path)
  const filled = (name: string) => ToolJson.filled(document, root, name)
  const ofClient = (name: string) => Option.flatMap(client, (one) => ToolJson.filled(one, one.root, name))
  const secretEnds = Option.flatMapNullable(client, (one) => ToolJson.number(one, one.root, "client_secret_expires_at"))
  return Either.right(Option.some(Credential.Credential.make({
    issuer: Option.orElse(filled("issuer"), () => ofClient("issuer")),
    clientId: ofClient("client_id"),
    clientSecret: Option.map(ofClient("client_secret"), Redacted.make),
    clientSecretExpiresAt: Option.filter(secretEnds, (at) => at > 0),
    tokenEndpointAuthMethod: ofClient("token_endpoint_auth_method"),
    resource: url,
    accessToken: token("access_token"),
    refreshToken: token("refresh_token"),
    idToken: token("id_token"),
    tokenType: filled("token_type"),
    scope: filled("scope"),
    expiresAt: Option.map(
      Option.fromNullable(ToolJson.number(document, root, "expires_at")),
      (at) => Math.max(1, at / 1_000)
    )
  })))
}

const encode = (
  document: ToolDocument,
  present: Option.Option<Credential.Credential>,
  next: Credential.Credential,
  now: number
): string => {
  const expiry = Option.getOrUndefined(next.expiresAt)
  const isKept = Option.exists(present, ({ expiresAt }) => Option.getOrUndefined(expiresAt) === expiry)
  const ends = expiry === undefined
    ? { expires_in: undefined, expires_at: undefined }
    : { expires_in: Math.max(0, Math.round(expiry - now / 1_000)), expires_at: Math.round(expiry * 1_000) }
  return ToolJson.update(
    document,
    ToolJson.members({
      access_token: ToolToken.orBlank(next.accessToken),
      refresh_token: Option.getOrUndefined(ToolToken.reveal(next.refreshToken)),
      token_type: Option.getOrElse(next.tokenType, () => "Bearer"),
      scope: Option.getOrUndefined(next.scope),
      id_token: Option.getOrUndefined(ToolToken.reveal(next.idToken)),
      ...(isKept ? {} : ends)
    }),
    ToolJson.PRETTY
  )
}

const tenantOf = (path: string): TenantId.TenantId => TenantId.make(`mcp:${hashOf(path)}`)

const codecOf = (path: string, url: Option.Option<string>): StoreCodec<ToolDocument> => {
  const get: StoreCodec<ToolDocument>["get"] = (document, tenant) =>
    tenant === tenantOf(path) ? decode(document, path, url) : Either.right(Option.none())
  return ToolJson.codec({
    get,
    findDamage: (document) => Either.getLeft(decode(document, path, url)),
    list: (document) =>
      Option.exists(Either.getRight(decode(document, path, url)), Option.isSome) ? [tenantOf(path)] : [],
    put: (document, tenant, credential, now) =>
      tenant === tenantOf(path)
        ? Either.map(get(document, tenant), (present) => encode(document, present, credential, now))
        : Either.left(`it has a place for ${tenantOf(path)} alone`),
    remove: (document, tenant) =>
      tenant === tenantOf(path)
        ? ToolJson.update(
          document,
          new Map(["access_token", "refresh_token", "id_token", "expires_in", "expires_at"].map((name) => [
            name,
            undefined
          ])),
          ToolJson.PRETTY
        )
        : document.text
  })
}

const LEASE = Duration.seconds(30)

/**
 * One server's file. `url` is the server's address where it is known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const at = (path: string, url: Option.Option<string> = Option.none()): ToolFile => ({
  name: "mcp-remote",
  title: "mcp-remote",
  locate: () => path,
  codec: codecOf(path, url),
  locks: (file, target) =>
    LockTarget.$match(target, {
      RotationGroup: () => [],
      Tenant: () => [LockFile.Lease({
        path: Path.join(Path.dirname(file), `${hashOf(file)}_refresh_in_progress.json`),
        stale: LEASE,
        heartbeat: Duration.seconds(5)
      })],
      Aggregate: () => []
    }),
  wait: LEASE,
  stale: LEASE
})

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(directory).filter((name) => name.endsWith(TOKENS)).toSorted()
  } catch {
    return []
  }
}

/**
 * Finds the file of the server that is meant: the one of an address, or the only one that there is.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (
  named: Option.Option<string>,
  surroundings: Surroundings
): Either.Either<Option.Option<Located>, string> => {
  const root = directory(surroundings)
  const isUrl = (text: string) => /^https?:\/\//i.test(text)
  if (Option.isSome(named)) {
    if (!isUrl(named.value)) return Either.right(Option.none())
    const path = Path.join(root, `${Crypto.createHash("md5").update(named.value).digest("hex")}${TOKENS}`)
    return Either.right(Option.some({ tool: at(path, named), path }))
  }
  const names = namesIn(root)
  const [only = `HASH${TOKENS}`, ...more] = names
  return more.length > 0
    ? Either.left(
      `mcp-remote has a file for each of ${names.length} servers: say which one, by mcp-remote:URL or by `
        + names.map((name) => `mcp-remote:${Path.join(root, name)}`).join(", ")
    )
    : Either.right(Option.some({ tool: at(Path.join(root, only)), path: Path.join(root, only) }))
}

/**
 * mcp-remote.
 *
 * @since 0.1.0
 * @category tools
 */
export const tool: ToolFile = {
  ...at(`HASH${TOKENS}`),
  locate: (surroundings) => Path.join(directory(surroundings), `HASH${TOKENS}`),
  files: { at, find }
}
