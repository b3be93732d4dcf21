/**
 * Whom one can log in to, as a person reads it: every vendor with what sets it apart, and what is not offered with the
 * reason. What a descriptor says is read from the descriptor.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as OAuthVendor from "./OAuthVendor.js"
import * as VendorRegistry from "./VendorRegistry.js"

/**
 * Why there is no such login, and what to use instead.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly reason: string
  readonly alternative: string
}

/**
 * One row. Members without a value do not apply, or are unknown.
 *
 * @since 0.1.0
 * @category models
 */
export interface VendorRow {
  readonly id: string
  readonly name: string
  /** `None`: one can log in. */
  readonly refusal: Option.Option<Refusal>
  readonly methods: ReadonlyArray<OAuthVendor.LoginMethod>
  /** In words: `authorization code`, `device code`, `key hand-over`. */
  readonly grants: ReadonlyArray<string>
  /** What becomes of the refresh token at a refresh. */
  readonly rotation: Option.Option<"rotates" | "stays" | "no refresh">
  /** What a refresh sends: `form`, `JSON`, `camelCase JSON`, `GET with bearer`. */
  readonly refresh: Option.Option<string>
  readonly accessTokenLifetime: Option.Option<string>
  readonly loginLifetime: Option.Option<string>
  readonly terms: Option.Option<OAuthVendor.Terms>
  /** Whether a person must accept the risk of the terms, once per tenant. */
  readonly optIn: boolean
  /** Whether a person must bring the client's secret first. */
  readonly needsClientSecret: boolean
  /** The variables that stand in for the login, in the order in which they win. */
  readonly variables: ReadonlyArray<string>
}

const GRANTS: Readonly<Record<OAuthVendor.LoginMethod, string>> = {
  browser: "authorization code",
  paste: "authorization code",
  device: "device code",
  key: "key hand-over",
  client: "client credentials"
}

const refreshOf = ({ refreshEncoding, renewal, spelling }: OAuthVendor.OAuthVendor): Option.Option<string> => {
  if (renewal === "never") return Option.none()
  if (renewal === "bearer") return Option.some("GET with bearer")
  if (refreshEncoding === "form") return Option.some("form")
  return Option.some(spelling === "camelCase" ? "camelCase JSON" : "JSON")
}

/**
 * Reads the row of a vendor from its descriptor.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromVendor = (vendor: OAuthVendor.OAuthVendor): VendorRow => ({
  id: vendor.id,
  name: vendor.name,
  refusal: Option.none(),
  methods: vendor.methods,
  grants: [...new Set(vendor.methods.map((method) => GRANTS[method]))],
  rotation: Option.some(vendor.renewal === "never" ? "no refresh" : vendor.rotates ? "rotates" : "stays"),
  refresh: refreshOf(vendor),
  accessTokenLifetime: vendor.lifetimes.accessToken,
  loginLifetime: vendor.lifetimes.login,
  terms: vendor.terms,
  optIn: Option.exists(vendor.terms, ({ reserved }) => reserved),
  needsClientSecret: Option.isSome(vendor.clientSecretSource),
  variables: vendor.environment.map(({ name }) => name)
})

const notOffered = (id: string, name: string, reason: string, alternative: string): VendorRow => ({
  id,
  name,
  refusal: Option.some({ reason, alternative }),
  methods: [],
  grants: [],
  rotation: Option.none(),
  refresh: Option.none(),
  accessTokenLifetime: Option.none(),
  loginLifetime: Option.none(),
  terms: Option.none(),
  optIn: false,
  needsClientSecret: false,
  variables: []
})

const agent = (id: string, name: string): VendorRow =>
  notOffered(id, name, "an agent, not a vendor: it uses the logins of vendors", "the login of the vendor that it uses")

/**
 * What people ask for and cannot have here.
 *
 * @since 0.1.0
 * @category constants
 */
export const refused: ReadonlyArray<VendorRow> = [
  notOffered(
    "cursor",
    "Cursor",
    "its login is known from reverse engineering only (ephraimduncan/opencode-cursor)",
    "an API key in CURSOR_API_KEY, which Cursor documents for programs"
  ),
  notOffered(
    "agentcore",
    "Amazon Bedrock AgentCore",
    "requests are signed with AWS credentials (SigV4); there is no OAuth login",
    "the AWS credential chain: a profile, a role, or IAM Identity Center"
  ),
  agent("hermes", "Hermes Agent"),
  agent("opencode", "opencode"),
  agent("pi", "pi"),
  agent("native", "an agent's built-in login")
]

/**
 * Makes the matrix: the given vendors, what is refused, and last any other server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (vendors: ReadonlyArray<OAuthVendor.OAuthVendor>): ReadonlyArray<VendorRow> => [
  ...vendors.filter(({ id }) => id !== OAuthVendor.generic.id).map(fromVendor),
  ...refused,
  fromVendor(OAuthVendor.generic)
]

/**
 * The matrix of the vendors of this package.
 *
 * @since 0.1.0
 * @category constants
 */
export const rows: ReadonlyArray<VendorRow> = make(VendorRegistry.builtIn)

/**
 * Finds why there is no login of this name, if it is known to be refused.
 *
 * @since 0.1.0
 * @category getters
 */
export const refusalOf = (id: string): Option.Option<Refusal> =>
  Option.flatMap(Option.fromNullable(refused.find((row) => row.id === id)), ({ refusal }) => refusal)
