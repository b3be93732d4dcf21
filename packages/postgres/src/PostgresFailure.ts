/**
 * How a statement fails, and what that means for what it was to do.
 *
 * The server's own words are dropped: they quote rows and addresses.
 *
 * @since 0.1.0
 */
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as Data from "effect/Data"

/**
 * A statement that did not succeed.
 *
 * `Unreachable`: it was never given to the server. `Unknown`: it was, and no answer was read, or one that promises less
 * than durability; it may have been carried out. `Refused`: the server answered that it was not.
 *
 * @since 0.1.0
 * @category errors
 */
export class PostgresFailure extends Data.TaggedError("PostgresFailure")<{
  readonly kind: "Unreachable" | "Unknown" | "Refused"
  /** An SQLSTATE, an errno, or a word of ours. */
  readonly code: string
}> {}

const EXPLAINED: Readonly<Record<string, { readonly detail: string; readonly remedy: string }>> = {
  "28P01": {
    detail: "the password was refused (28P01)",
    remedy: "put the right password into the address of the database"
  },
  "28000": {
    detail: "this user may not connect (28000)",
    remedy: "allow it in pg_hba.conf, or use another user"
  },
  "3D000": { detail: "there is no such database (3D000)", remedy: "create it, then run `lockstep migrate`" },
  "3F000": { detail: "it was never set up", remedy: "run `lockstep migrate`" },
  "42P01": { detail: "it was never set up, or by an earlier version", remedy: "run `lockstep migrate`" },
  "42501": {
    detail: "this role may not do that (42501)",
    remedy: "run `lockstep migrate` as the owner: it grants what the role lockstep_app needs"
  },
  "57P03": { detail: "it is starting or stopping (57P03)", remedy: "try again in a moment" },
  "53300": { detail: "it has no connection left (53300)", remedy: "raise max_connections, or run fewer processes" },
  standby: {
    detail: "it is a standby, which takes no writes",
    remedy: "name the primary, or name both: postgres://USER@HOST1,HOST2/DATABASE"
  },
  pooler: {
    detail: "a pooler answers in its place that hands our session on to others",
    remedy:
      "use the direct address of the server, or a pooler that keeps a session for each client (pool_mode = session)"
  },
  synchronous_commit: {
    detail: "it acknowledges what a crash can lose: synchronous_commit is off or local",
    remedy: "set synchronous_commit to on for this database or role"
  },
  other_fleet: {
    detail: "another fleet answers at this address than the one that the logins of this host are in",
    remedy: "see which database is meant; a host that is to join another fleet begins with an empty LOCKSTEP_HOME"
  },
  newer: {
    detail: "it was set up by a later version, which earlier ones would damage",
    remedy: "update lockstep on this host"
  },
  older: { detail: "it was set up by an earlier version", remedy: "run `lockstep migrate`" },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    detail: "no authority vouches for its certificate",
    remedy: "name the authority: append ?sslrootcert=PATH to the address"
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    detail: "no authority that is known here vouches for its certificate",
    remedy: "name the authority: append ?sslrootcert=PATH to the address"
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    detail: "its certificate is for another name",
    remedy: "use the name that the certificate has"
  },
  no_tls: {
    detail: "it does not speak TLS",
    remedy: "switch on ssl in postgresql.conf, or append ?sslmode=disable where the network itself is trusted"
  }
}

const described = ({ code, kind }: PostgresFailure) =>
  EXPLAINED[code] ?? {
    detail: kind === "Unknown" ? `no answer, and the outcome is unknown (${code})` : code,
    remedy: kind === "Refused"
      ? "see the log of the database; nothing was changed"
      : "try again once the database answers; unexpired tokens are served meanwhile"
  }

/**
 * The failure as the store's error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toStoreError =
  (location: string, reason: "Read" | "Write") => (failure: PostgresFailure): CredentialStoreError =>
    new CredentialStoreError({
      reason: failure.kind === "Unreachable" ? "Unavailable" : reason,
      location,
      ...described(failure)
    })

/**
 * The failure as the error of a process that waits for a tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toLockUnavailable = (location: string) => (failure: PostgresFailure): LockUnavailable =>
  new LockUnavailable({ reason: "Unreachable", path: location, ...described(failure) })
