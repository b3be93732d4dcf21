/**
 * Which login and which address a bridge is for.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { type CredentialStoreError, ReauthorizationRequired } from "@lockstep/core/Errors"
import * as TenantId from "@lockstep/core/TenantId"
import * as CanonicalResource from "@lockstep/mcp/CanonicalResource"
import * as McpTenant from "@lockstep/mcp/McpTenant"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"

/**
 * A login, and the server that its token is for.
 *
 * @since 0.1.0
 * @category models
 */
export interface BridgeTarget {
  readonly tenant: TenantId.TenantId
  readonly url: URL
  /** Whether the login itself names a server, and with it the origin that its token may go to. */
  readonly isBound: boolean
}

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

const parse = (text: string): Either.Either<URL, UsageError> =>
  Either.mapLeft(CanonicalResource.parse(text), (message) => usage(message, "give the address of an MCP server"))

/** The logins of a server, those for this very address before those for what lies above it. */
const loginsOf = (url: URL) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const found: Array<{ readonly tenant: TenantId.TenantId; readonly resource: string }> = []
    for (const tenant of yield* store.list) {
      // Another tenant's damage is not this one's.
      const stored = Option.flatten(yield* Effect.option(store.get(tenant)))
      const resource = Option.flatMap(stored, ({ credential }) => credential.resource)
      if (Option.exists(resource, (text) => CanonicalResource.covers(text, url))) {
        found.push({ tenant, resource: Option.getOrThrow(resource) })
      }
    }
    const longest = Math.max(...found.map(({ resource }) => resource.replace(/\/+$/, "").length))
    return found.filter(({ resource }) => resource.replace(/\/+$/, "").length === longest)
  })

const fromAddress = (text: string) =>
  Effect.gen(function*() {
    const url = yield* parse(text)
    const logins = yield* loginsOf(url)
    const [first] = logins
    if (first === undefined) {
      return yield* new Advised.Advised({
        error: new ReauthorizationRequired({ tenant: McpTenant.short(url), reason: "NotFound" }),
        // Started without its user's environment, it looks in another home than the user does.
        text: `there is no login for ${url.origin}${url.pathname} (looked in ${(yield* CredentialStore).location})`,
        advice: `log in with ${Advice.command("login", text)}`,
        nearest: []
      })
    }
    if (logins.length > 1) {
      const names = logins.map(({ tenant }) => `\`${tenant}\``).join(" or ")
      return yield* usage("several logins are for this server", `say which by its name: ${names}`)
    }
    return { tenant: first.tenant, url, isBound: true }
  })

const tenantOf = (text: string) =>
  Either.mapLeft(
    TenantId.fromString(text),
    () => usage("a tenant is 1 to 512 bytes without control characters", "give a tenant or the address of a server")
  )

const fromName = (tenant: TenantId.TenantId, to: Option.Option<string>) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const stored = yield* store.get(tenant)
    if (Option.isNone(stored)) return yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
    const { resource } = stored.value.credential
    const address = Option.orElse(resource, () => to)
    if (Option.isNone(address)) {
      return yield* usage(`${tenant} is not the login of an MCP server`, "name the server with --to URL")
    }
    return { tenant, url: yield* parse(address.value), isBound: Option.isSome(resource) }
  })

/**
 * Finds login and address. `to` is another address on the same origin, or the server of a login that names none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (
  target: string,
  to: Option.Option<string>
): Effect.Effect<
  BridgeTarget,
  UsageError | CredentialStoreError | ReauthorizationRequired | Advised.Advised,
  CredentialStore
> =>
  Effect.gen(function*() {
    const found: BridgeTarget = target.includes("://")
      ? yield* fromAddress(target)
      : yield* fromName(yield* tenantOf(target), to)
    if (Option.isNone(to)) return found
    const url = yield* parse(to.value)
    return url.origin === found.url.origin
      ? { ...found, url }
      : yield* usage(
        `--to: the login of ${found.tenant} is for ${found.url.origin} alone`,
        "give an address there, or log in at the other server"
      )
  })
