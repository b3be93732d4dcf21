/**
 * What a worker process can be told to do.
 *
 * Commands travel on stdin, which no other process can read. Tokens never travel in arguments, and never come back:
 * a worker names the ones that it was given by their fingerprints.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const tenant = { tenant: Schema.String }

/**
 * One command.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WorkerCommand = Schema.Union(
  Schema.TaggedStruct("AccessToken", {
    ...tenant,
    /** Milliseconds. */
    minTtl: Schema.optional(Schema.Number)
  }),
  /** `rejected` is an access token. */
  Schema.TaggedStruct("Recover", { ...tenant, rejected: Schema.String }),
  Schema.TaggedStruct("Refresh", { ...tenant, acceptRisk: Schema.Boolean }),
  /** `credential` is an entry of `auth.json`. */
  Schema.TaggedStruct("Put", { ...tenant, credential: Schema.Unknown, replace: Schema.Boolean }),
  /** Logs the account in at `issuer`, as a person does, and exchanges the code under the tenant's lock. */
  Schema.TaggedStruct("Login", {
    ...tenant,
    issuer: Schema.String,
    clientId: Schema.String,
    redirectUri: Schema.String,
    account: Schema.String,
    replace: Schema.Boolean
  }),
  Schema.TaggedStruct("Remove", { ...tenant, revoke: Schema.Boolean }),
  /** Reads the store without any lock. */
  Schema.TaggedStruct("Read", tenant),
  /** Takes the tenant's lock, says `held`, and keeps it until the command is cancelled. */
  Schema.TaggedStruct("Hold", tenant),
  /** Writes each tenant's record `count` times, one more generation at a time. */
  Schema.TaggedStruct("ModifyMany", { tenants: Schema.Array(Schema.String), count: Schema.Int }),
  /** Sends the same request `count` times at once, through one client that attaches the tenant's token. */
  Schema.TaggedStruct("Request", {
    ...tenant,
    client: Schema.Literal("fetch", "fetchClient", "node", "undici"),
    url: Schema.String,
    method: Schema.optionalWith(Schema.Literal("GET", "POST"), { exact: true }),
    body: Schema.optionalWith(Schema.String, { exact: true }),
    /** Whether the body is a stream, which can be read once only. */
    isStream: Schema.optionalWith(Schema.Boolean, { exact: true }),
    origins: Schema.optionalWith(Schema.Array(Schema.String), { exact: true }),
    count: Schema.optionalWith(Schema.Int, { exact: true })
  }),
  /** Reads `count` events of a stream, over as many connections as it takes, and says `read` to each. */
  Schema.TaggedStruct("Events", {
    ...tenant,
    url: Schema.String,
    origins: Schema.optionalWith(Schema.Array(Schema.String), { exact: true }),
    count: Schema.Int
  }),
  /** Interrupts the command of that id, as a caller does who gives up. */
  Schema.TaggedStruct("Cancel", { command: Schema.String })
)

/**
 * One command.
 *
 * @since 0.1.0
 * @category models
 */
export type WorkerCommand = typeof WorkerCommand.Type

/**
 * A command and the name by which its outcome is reported.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Request = Schema.Struct({ id: Schema.String, command: WorkerCommand })

/**
 * What a worker is started with: what its store is, and where it shall stop, if anywhere.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Setup = Schema.Struct({
  /** `file`, when it is not said. */
  store: Schema.optionalWith(Schema.Literal("file", "keyring", "secrets"), { exact: true }),
  /** The program that asks the keyring: a worker is a bundle that lies where it does not find its own. */
  keyringHelper: Schema.optionalWith(Schema.String, { exact: true }),
  stop: Schema.optional(Schema.Struct({
    span: Schema.String,
    at: Schema.Literal("start", "end"),
    within: Schema.optionalWith(Schema.String, { exact: true }),
    occurrence: Schema.optionalWith(Schema.Int, { exact: true }),
    signal: Schema.Literal("SIGKILL", "SIGSTOP")
  }))
})

/**
 * What a worker is started with.
 *
 * @since 0.1.0
 * @category models
 */
export type Setup = typeof Setup.Type
