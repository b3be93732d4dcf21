/**
 * The command line that begins a login: as it was typed, or as a record, an unfinished attempt or a name alone tells.
 *
 * Words, and not yet quoted for a shell. Words in capitals stand for what only the person knows.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { LOCAL_USER, type Pending } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import * as McpTenant from "@lockstep/mcp/McpTenant"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import type { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Option from "effect/Option"
import type { Words } from "../errors/Advice.js"
import type { Options as ClientGrant } from "./ClientGrant.js"
import type { ServerWishes } from "./ServerWishes.js"
import type { Names } from "./Target.js"

type Registry = Pick<VendorRegistry["Type"], "find">

const option = (name: string, value: Option.Option<string>): Words =>
  Option.match(value, { onNone: () => [], onSome: (text) => [name, text] })

const flag = (name: string, isSet: boolean): Words => isSet ? [name] : []

const named = ({ find }: Registry, id: string): Option.Option<OAuthVendor.OAuthVendor> =>
  Option.filter(find(id), (vendor) => vendor.id !== OAuthVendor.generic.id && vendor.id !== mcp.id)

/**
 * The options of a login that its repetition needs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Typed extends Names, ServerWishes, ClientGrant {
  readonly issuer: Option.Option<string>
  readonly clientId: Option.Option<string>
  /** A path, or `-`. */
  readonly clientSecretFrom: Option.Option<string>
  readonly scopes: ReadonlyArray<string>
  readonly resource: Option.Option<string>
  /** The person whose attempt it is, where a relay logs several people in. */
  readonly user: string
  readonly device: boolean
  readonly noBrowser: boolean
  readonly replace: boolean
}

/**
 * A login of which nothing was typed: what programs, whose options are fewer than a person's, begin with.
 *
 * @since 0.1.0
 * @category constants
 */
export const untyped: Typed = {
  target: Option.none(),
  tenant: Option.none(),
  profile: Option.none(),
  issuer: Option.none(),
  clientId: Option.none(),
  clientSecretFrom: Option.none(),
  scopes: [],
  resource: Option.none(),
  user: LOCAL_USER,
  device: false,
  noBrowser: false,
  replace: false,
  newClient: false,
  clientName: Option.none(),
  callbackHost: Option.none(),
  authorizeParams: [],
  omitResource: false,
  mcpVersion: Option.none(),
  grant: Option.none(),
  authMethod: Option.none(),
  clientKeyFrom: Option.none(),
  subjectTokenFrom: Option.none(),
  subjectTokenEndpoint: Option.none(),
  subjectClientId: Option.none()
}

/**
 * Repeats what was typed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofOptions = (typed: Typed): Words => [
  "login",
  ...Option.toArray(typed.target),
  ...option("--tenant", typed.tenant),
  ...option("--profile", typed.profile),
  ...option("--issuer", typed.issuer),
  ...option("--client-id", typed.clientId),
  ...option("--client-secret-from", typed.clientSecretFrom),
  ...option("--client-key-from", typed.clientKeyFrom),
  ...option("--auth-method", typed.authMethod),
  ...option("--grant", typed.grant),
  ...option("--subject-token-from", typed.subjectTokenFrom),
  ...option("--subject-token-endpoint", typed.subjectTokenEndpoint),
  ...option("--subject-client-id", typed.subjectClientId),
  ...typed.scopes.flatMap((scope) => ["--scope", scope]),
  ...option("--resource", typed.resource),
  ...flag("--omit-resource", typed.omitResource),
  ...typed.authorizeParams.flatMap((parameter) => ["--authorize-param", parameter]),
  ...option("--client-name", typed.clientName),
  ...option("--callback-host", typed.callbackHost),
  ...option("--mcp-version", typed.mcpVersion),
  ...(typed.user === LOCAL_USER ? [] : ["--user", typed.user]),
  ...flag("--device", typed.device),
  ...flag("--no-browser", typed.noBrowser),
  ...flag("--replace", typed.replace)
]

/**
 * Begins a login of which nothing but its name is known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofName = (registry: Registry, tenant: string): Words => {
  const vendor = TenantId.fromString(tenant)
  if (vendor._tag === "Right" && Option.isSome(named(registry, TenantId.base(vendor.right)))) return ["login", tenant]
  return McpTenant.isOne(tenant)
    ? ["login", "URL", "--tenant", tenant]
    : ["login", "--issuer", "URL", "--client-id", "ID", "--tenant", tenant]
}

/**
 * Repeats the login that is stored: its record says where, unless it was imported without a word of its server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofRecord = (tenant: string, { clientId, issuer, resource, vendor }: Credential): Words => {
  if (Option.contains(vendor, mcp.id) || (McpTenant.isOne(tenant) && Option.isNone(vendor))) {
    return Option.isSome(resource) ? ["login", tenant] : ["login", "URL", "--tenant", tenant]
  }
  return Option.isSome(issuer) || Option.exists(vendor, (id) => id !== OAuthVendor.generic.id)
    ? ["login", tenant]
    : ["login", "--issuer", "URL", "--client-id", Option.getOrElse(clientId, () => "ID"), "--tenant", tenant]
}

/** Where an attempt is, and with which client. */
const placeOf = (registry: Registry, { login, tenant }: Pending): Words => {
  const vendor = Option.flatMap(login.vendor, (id) => named(registry, id))
  if (Option.contains(login.vendor, mcp.id)) {
    return [Option.getOrElse(login.resource, () => "URL"), "--tenant", tenant]
  }
  if (Option.isSome(vendor)) {
    const isOwnName = TenantId.base(TenantId.make(tenant)) === vendor.value.id
    const elsewhere = Option.filter(login.issuer, (issuer) => !Option.contains(vendor.value.issuer, issuer))
    return [...(isOwnName ? [tenant] : [vendor.value.id, "--tenant", tenant]), ...option("--issuer", elsewhere)]
  }
  return [
    "--issuer",
    Option.getOrElse(login.issuer, () => "URL"),
    "--client-id",
    Option.getOrElse(login.clientId, () => "ID"),
    ...option("--scope", login.scope),
    ...option("--resource", login.resource),
    "--tenant",
    tenant
  ]
}

/**
 * Begins an unfinished login anew, in two steps again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofPending = (registry: Registry, pending: Pending): Words => [
  "login",
  ...placeOf(registry, pending),
  ...(pending.user === LOCAL_USER ? [] : ["--user", pending.user]),
  ...flag("--device", pending.login.method === "device"),
  "--no-browser"
]
