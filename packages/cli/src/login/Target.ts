/**
 * The login that is asked for, and its server: what the command line says, and for a tenant that is stored its record.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import * as TenantId from "@lockstep/core/TenantId"
import * as McpTenant from "@lockstep/mcp/McpTenant"
import type { LoginRequest } from "@lockstep/oauth/Login"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as VendorMatrix from "@lockstep/oauth/VendorMatrix"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Advice from "../errors/Advice.js"
import * as Nearest from "../line/Nearest.js"
import { UsageError } from "../line/UsageError.js"

/**
 * What names a tenant on the command line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Names {
  /** A vendor, a tenant or an address. */
  readonly target: Option.Option<string>
  readonly tenant: Option.Option<string>
  readonly profile: Option.Option<string>
}

/**
 * What the command line says about server and client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wishes extends Names {
  readonly issuer: Option.Option<string>
  readonly clientId: Option.Option<string>
  readonly clientSecret: Option.Option<Redacted.Redacted>
  readonly scopes: ReadonlyArray<string>
  readonly resource: Option.Option<string>
}

/**
 * The part of a login request that names the login and its server.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = Pick<
  LoginRequest,
  "tenant" | "vendor" | "issuer" | "clientId" | "clientSecret" | "scopes" | "resource"
>

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/**
 * Whether what was named is the address of an MCP server.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAddress = (text: string): boolean => /^https?:\/\//i.test(text)

const nameOf = ({ profile, target, tenant }: Names): Effect.Effect<string, UsageError> => {
  if (Option.isSome(profile) && Option.isSome(tenant)) {
    return usage("--tenant and --profile exclude each other", "a profile names the tenant VENDOR@PROFILE")
  }
  if (Option.isSome(tenant)) return Effect.succeed(tenant.value)
  if (Option.isNone(target)) {
    return usage("no login is named", "name a vendor or a tenant, or --tenant T; `lockstep vendors` shows the vendors")
  }
  if (Option.isNone(profile)) return Effect.succeed(target.value)
  return /^[^@]+$/.test(profile.value)
    ? Effect.succeed(`${target.value}@${profile.value}`)
    : usage("--profile: a name without @ is expected", "it becomes the tenant VENDOR@PROFILE")
}

/**
 * Reads which tenant is meant, without looking it up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tenantOf = (names: Names): Effect.Effect<TenantId.TenantId, UsageError> =>
  Effect.flatMap(
    nameOf(names),
    (text) =>
      Either.mapLeft(TenantId.fromString(text), () =>
        usage("a tenant is 1 to 512 bytes without control characters", "choose another name"))
  )

const unknown = (name: string, known: ReadonlyArray<string>): UsageError => {
  if (McpTenant.isOne(name)) {
    return usage(
      "there is no login of an MCP server of that name",
      `name the server by its address: ${Advice.command("login", "URL", "--tenant", name)}`
    )
  }
  const refusal = VendorMatrix.refusalOf(name)
  if (Option.isSome(refusal)) {
    return usage(`a login of ${name} is not offered: ${refusal.value.reason}`, `use ${refusal.value.alternative}`)
  }
  const nearest = Nearest.find(name, known).map((one) => `\`${one}\``).join(" or ")
  return usage(
    "there is neither a vendor nor a login of that name",
    nearest === ""
      ? "see `lockstep vendors`; any other server is named with --issuer URL --tenant T"
      : `did you mean ${nearest}? See \`lockstep vendors\``
  )
}

/**
 * Takes scopes apart: an option may hold several.
 *
 * @since 0.1.0
 * @category getters
 */
export const words = (scopes: ReadonlyArray<string>): ReadonlyArray<string> =>
  scopes.flatMap((text) => text.split(/\s+/)).filter((one) => one !== "")

/**
 * Reads the scope that was granted. OpenID Connect servers leave `offline_access` out of what they grant although it is what
 * gave the refresh token, and ignore what they do not know (OpenID Connect Core 1.0, sections 3.1.2.1 and 11).
 *
 * @since 0.1.0
 * @category getters
 */
export const scopesOf = ({ refreshToken, scope }: Credential): ReadonlyArray<string> => {
  const granted = words(Option.toArray(scope))
  const isOffline = Option.isSome(refreshToken) && granted.includes("openid")
  return isOffline && !granted.includes("offline_access") ? [...granted, "offline_access"] : granted
}

/**
 * What the command line says wins; the record, where there is one, says the rest. What it says of its server holds for
 * that server only. Its client secret is the login driver's to find: it goes with one client of one server.
 */
const complete = (
  tenant: TenantId.TenantId,
  vendor: OAuthVendor.OAuthVendor,
  wishes: Wishes,
  record: Option.Option<Credential>
): Target => {
  const same = Option.filter(
    record,
    ({ issuer }) =>
      Option.match(wishes.issuer, {
        onNone: () => true,
        onSome: (wished) => Option.exists(issuer, (one) => Issuer.isSame(one, wished))
      })
  )
  const recorded = <A>(read: (credential: Credential) => Option.Option<A>) => Option.flatMap(same, read)
  return {
    tenant,
    vendor,
    issuer: Option.orElse(wishes.issuer, () => recorded(({ issuer }) => issuer)),
    clientId: Option.orElse(wishes.clientId, () => recorded(({ clientId }) => clientId)),
    clientSecret: wishes.clientSecret,
    scopes: wishes.scopes.length > 0
      ? words(wishes.scopes)
      : Option.match(same, { onNone: () => [], onSome: scopesOf }),
    resource: Option.orElse(wishes.resource, () => recorded(({ resource }) => resource))
  }
}

/** The vendor that is meant, and the record whose settings it repeats. */
interface Meant {
  readonly vendor: OAuthVendor.OAuthVendor
  readonly record: Option.Option<Credential>
}

const meant = (
  tenant: TenantId.TenantId,
  wishes: Wishes,
  record: Option.Option<Credential>,
  byId: (id: string) => Option.Option<OAuthVendor.OAuthVendor>
): Either.Either<Meant, UsageError> | undefined => {
  const recorded = Option.flatMap(record, ({ vendor }) => Option.flatMap(vendor, byId))
  const namesServer = Option.isSome(wishes.issuer) || Option.exists(record, ({ issuer }) => Option.isSome(issuer))
  const isRepeated = Option.isSome(record) && (Option.isNone(wishes.target) || wishes.target.value === tenant)
  if (isRepeated && Option.isSome(recorded)) return Either.right({ vendor: recorded.value, record })
  // An imported record may name its server and no vendor.
  if (isRepeated && namesServer) return Either.right({ vendor: OAuthVendor.generic, record })
  const named = Option.flatMap(
    wishes.target,
    (name) => Option.orElse(byId(name), () => byId(name.slice(0, Math.max(0, name.lastIndexOf("@")))))
  )
  if (Option.isSome(named)) {
    const isSameVendor = Option.exists(recorded, ({ id }) => id === named.value.id)
    return Either.right({ vendor: named.value, record: isSameVendor ? record : Option.none() })
  }
  if (Option.isSome(wishes.issuer)) return Either.right({ vendor: OAuthVendor.generic, record: Option.none() })
  return isRepeated || Option.isNone(wishes.target)
    ? Either.left(usage(`nothing is known of the server of ${tenant}`, "name it with --issuer URL"))
    : undefined
}

/**
 * Finds out what is asked for. A tenant that is stored repeats its login, save for what the command line says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  wishes: Wishes
): Effect.Effect<Target, UsageError | CredentialStoreError, CredentialStore | VendorRegistry> =>
  Effect.gen(function*() {
    const { all, find } = yield* VendorRegistry
    const store = yield* CredentialStore
    const tenant = yield* tenantOf(wishes)
    const record = Option.map(yield* store.get(tenant), ({ credential }) => credential)
    const isNamed = ({ id }: OAuthVendor.OAuthVendor) => id !== OAuthVendor.generic.id
    const found = meant(tenant, wishes, record, (id) => Option.filter(find(id), isNamed))
    if (found === undefined) {
      const tenants = yield* Effect.orElseSucceed(store.list, () => [])
      return yield* unknown(Option.getOrElse(wishes.target, () => tenant), [
        ...all.filter(isNamed).map(({ id }) => id),
        ...tenants
      ])
    }
    const { vendor, record: repeated } = yield* found
    return complete(tenant, vendor, wishes, repeated)
  })
