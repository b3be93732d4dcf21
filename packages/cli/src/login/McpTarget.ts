/**
 * The login of an MCP server by its address: what the server says about itself, and what an earlier login at it says.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import * as CanonicalResource from "@lockstep/mcp/CanonicalResource"
import type { McpError } from "@lockstep/mcp/McpError"
import { type McpAddressRefused, McpServerUnavailable, nameOf } from "@lockstep/mcp/McpError"
import * as McpServer from "@lockstep/mcp/McpServer"
import * as McpTenant from "@lockstep/mcp/McpTenant"
import { generic } from "@lockstep/oauth/OAuthVendor"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Target from "./Target.js"

/**
 * What is asked for, and of which server.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpTarget extends Target.Target {
  readonly server: McpServer.McpServer
  /** Whether it only widens a login that is there: the same server and issuer, and a scope beyond what was granted. */
  readonly sameAccount: boolean
  /** Whether what is stored under this name is another server's. */
  readonly isOtherServer: boolean
}

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/** Whether a record, or an attempt, is of the server at an address. */
const isOf = (resource: Option.Option<string>, url: URL): boolean =>
  Option.exists(resource, (text) => CanonicalResource.covers(text, url))

/** Whether it is known to be another server's. An imported record need not say whose it is. */
const isOthers = (resource: Option.Option<string>, url: URL): boolean => Option.isSome(resource) && !isOf(resource, url)

/** Whether a name stands for another server already. */
const isTaken = (tenant: TenantId.TenantId, url: URL) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const logins = yield* PendingLogins
    const stored = yield* store.get(tenant)
    if (Option.isSome(stored)) return isOthers(stored.value.credential.resource, url)
    // A damaged list of attempts is told by the command that writes it.
    const pending = yield* Effect.orElseSucceed(logins.list, () => [])
    return pending.some((one) => one.tenant === tenant && isOthers(one.login.resource, url))
  })

const withProfile = (
  tenant: TenantId.TenantId,
  { profile }: Target.Names
): Effect.Effect<TenantId.TenantId, UsageError> =>
  Option.match(profile, {
    onNone: () => Effect.succeed(tenant),
    onSome: (name) =>
      Target.tenantOf({ target: Option.some(tenant), tenant: Option.none(), profile: Option.some(name) })
  })

/**
 * Names the login of a server: as the command line says, else by its short name, else, where another server has that, by
 * its long one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tenantOf = (
  url: URL,
  names: Target.Names
): Effect.Effect<
  TenantId.TenantId,
  UsageError | CredentialStoreError,
  CredentialStore | PendingLogins | VendorRegistry
> =>
  Effect.gen(function*() {
    if (Option.isSome(names.tenant)) {
      const { find } = yield* VendorRegistry
      const tenant = yield* Target.tenantOf(names)
      const vendor = Option.filter(find(TenantId.base(tenant)), ({ id }) => id !== generic.id)
      return Option.isSome(vendor)
        ? yield* usage(
          `${tenant} is the name of a login of ${vendor.value.name}`,
          `name this one --tenant ${McpTenant.PREFIX}${tenant}`
        )
        : tenant
    }
    for (const name of [McpTenant.short(url), McpTenant.long(url)]) {
      const tenant = yield* withProfile(name, names)
      if (!(yield* isTaken(tenant, url))) return tenant
    }
    return yield* usage(
      `the logins of other servers are called ${McpTenant.short(url)} and ${McpTenant.long(url)} already`,
      `name this one with --tenant ${McpTenant.PREFIX}NAME`
    )
  })

/**
 * Finds the address that is meant: the one on the command line, or that of the server of a login to repeat.
 *
 * @since 0.1.0
 * @category getters
 */
export const addressOf = (
  wishes: Target.Names & Pick<Target.Wishes, "issuer">
): Effect.Effect<Option.Option<string>, UsageError | CredentialStoreError, CredentialStore> =>
  Effect.gen(function*() {
    if (Option.exists(wishes.target, Target.isAddress)) return wishes.target
    const tenant = yield* Target.tenantOf(wishes)
    const store = yield* CredentialStore
    const record = Option.map(yield* store.get(tenant), ({ credential }) => credential)
    return Option.flatMap(record, ({ resource, vendor }) =>
      Option.contains(vendor, mcp.id) ||
        (McpTenant.isOne(tenant) && Option.isNone(vendor) && Option.isNone(wishes.issuer))
        ? resource
        : Option.none())
  })

/**
 * Reads whose attempt the second step of a login goes on with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const attemptOf = (
  names: Target.Names
): Effect.Effect<
  TenantId.TenantId,
  UsageError | McpAddressRefused | CredentialStoreError,
  CredentialStore | PendingLogins | VendorRegistry
> => {
  const address = Option.filter(names.target, Target.isAddress)
  return Option.isNone(address)
    ? Target.tenantOf(names)
    : Effect.flatMap(McpServer.parse(address.value), (url) => tenantOf(url, names))
}

/** The server's first issuer, unless one was named that it names as well, or the earlier login is at another of them. */
const chooseIssuer = (
  { issuers, url }: McpServer.McpServer,
  wished: Option.Option<string>,
  recorded: Option.Option<string>
): Effect.Effect<string, UsageError> => {
  const same = (text: string) => (issuer: string) =>
    URL.canParse(text) && URL.canParse(issuer) && new URL(text).href === new URL(issuer).href
  if (Option.isSome(wished)) {
    // What a person spells otherwise than the server is what the document of that issuer has to say.
    return issuers.some(same(wished.value))
      ? Effect.succeed(wished.value)
      : usage(
        `${nameOf(new URL(url))} is not protected by that authorization server`,
        `it names ${issuers.join(" and ")}; leave --issuer out`
      )
  }
  return Effect.succeed(
    Option.getOrElse(
      // In the record's spelling, which is that of the issuer's own document.
      Option.filter(recorded, (issuer) => issuers.some((one) => Issuer.isSame(one, issuer))),
      () => issuers[0]
    )
  )
}

/** An id token was given for `openid`, also where the server names only the scopes of the resource in what it granted. */
const grantedTo = (record: Credential): ReadonlyArray<string> => {
  const scopes = Target.scopesOf(record)
  return Option.isSome(record.idToken) && scopes.length > 0 && !scopes.includes("openid")
    ? [...scopes, "openid"]
    : scopes
}

const union = (...lists: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => [...new Set(lists.flat())]

/**
 * Finds out what to ask for, by asking the server. What an earlier login has at another issuer, or for another
 * resource, is not taken over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  address: string,
  wishes: Target.Wishes
): Effect.Effect<
  McpTarget,
  UsageError | McpError | CredentialStoreError,
  CredentialStore | PendingLogins | VendorRegistry | RoundTripper
> =>
  Effect.gen(function*() {
    if (Option.isSome(wishes.resource)) {
      return yield* usage("--resource: an MCP server says itself what it is called", "leave --resource out")
    }
    const url = yield* McpServer.parse(address)
    const tenant = Option.exists(wishes.target, Target.isAddress)
      ? yield* tenantOf(url, wishes)
      : yield* Target.tenantOf(wishes)
    const store = yield* CredentialStore
    const record: Option.Option<Credential> = Option.map(yield* store.get(tenant), ({ credential }) => credential)
    const network = yield* RoundTripper
    const roundTripper = yield* Effect.mapError(
      network.load,
      ({ detail }) =>
        new McpServerUnavailable({
          reason: "Transport",
          server: nameOf(url),
          message: `${nameOf(url)} cannot be reached (${detail})`,
          advice: "correct the settings of the network; nothing was stored"
        })
    )
    const server = yield* McpServer.discover({ roundTripper, url: url.href })
    const issuer = yield* chooseIssuer(server, wishes.issuer, Option.flatMap(record, (one) => one.issuer))
    const ofIssuer = Option.filter(record, (one) => Option.exists(one.issuer, (named) => Issuer.isSame(named, issuer)))
    const granted = Option.match(Option.filter(ofIssuer, (one) => Option.contains(one.resource, server.resource)), {
      onNone: (): ReadonlyArray<string> => [],
      onSome: grantedTo
    })
    const asked = Target.words(wishes.scopes)
    return {
      server,
      tenant,
      vendor: mcp,
      issuer: Option.some(issuer),
      clientId: Option.orElse(wishes.clientId, () => Option.flatMap(ofIssuer, ({ clientId }) => clientId)),
      clientSecret: wishes.clientSecret,
      scopes: union(granted, asked.length > 0 ? asked : server.scopes),
      resource: Option.some(server.resource),
      sameAccount: granted.length > 0 && asked.some((scope) => !granted.includes(scope)),
      isOtherServer: Option.exists(record, ({ resource }) =>
        isOthers(resource, url) && isOthers(resource, new URL(server.resource)))
    }
  })
