/**
 * Where the database is, and how it is reached: read from a file or a variable, never from an argument, which every user
 * of the machine can see.
 *
 * Without a word about it the connection is encrypted and the server proves its name, but on loopback and on a socket of
 * this machine. Settings that only look like it are refused: what encrypts and believes any server protects from no attacker
 * who can stand in between.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"

/**
 * One server of the address.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** A name, an IP address, or the directory of a socket. */
  readonly host: string
  readonly port: number
}

/**
 * How the connection is protected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  /** Paths of the authority, of a certificate of our own, and of its key. */
  readonly authority: Option.Option<string>
  readonly certificate: Option.Option<string>
  readonly key: Option.Option<string>
}

/**
 * An address.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresAddress {
  /** Tried in this order, until one takes writes. */
  readonly servers: readonly [Server, ...ReadonlyArray<Server>]
  readonly user: Option.Option<string>
  readonly password: Option.Option<Redacted.Redacted>
  readonly database: Option.Option<string>
  readonly tls: Option.Option<Tls>
  /** What messages call it: without user and password. */
  readonly location: string
}

const PORT = 5432

const KNOWN = new Set(["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "target_session_attrs"])

const VERIFIED = new Set(["verify-full", "verify-ca", "require", "prefer", "allow"])

const invalid = (detail: string): CredentialStoreError =>
  new CredentialStoreError({
    reason: "Unavailable",
    location: "the address of the database",
    detail,
    remedy:
      "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE into the file that LOCKSTEP_POSTGRES_URL_FILE names"
  })

const decoded = (text: string): Either.Either<string, CredentialStoreError> =>
  Either.try({ try: () => decodeURIComponent(text), catch: () => invalid("a percent sign in it encodes nothing") })

const serverOf = (text: string): Either.Either<Server, CredentialStoreError> =>
  Either.gen(function*() {
    const match = /^(\[[0-9A-Fa-f:.]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(text)
    if (match === null) return yield* Either.left(invalid("its host is not a name or an address"))
    const host = yield* decoded(match[1]!.replace(/^\[(.*)\]$/, "$1"))
    return { host: host === "" ? "localhost" : host, port: match[2] === undefined ? PORT : Number(match[2]) }
  })

/** Whether what is sent there stays on this machine. */
const isLocal = ({ host }: Server): boolean =>
  host.startsWith("/") || host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)

const tlsOf = (
  parameters: URLSearchParams,
  servers: ReadonlyArray<Server>
): Either.Either<Option.Option<Tls>, CredentialStoreError> => {
  const mode = parameters.get("sslmode")
  if (mode === "disable" || (mode === null && servers.every(isLocal))) return Either.right(Option.none())
  if (mode !== null && !VERIFIED.has(mode)) {
    return Either.left(invalid("its sslmode does not prove which server answers: use verify-full"))
  }
  const file = (name: string) => Option.fromNullable(parameters.get(name))
  return Either.right(Option.some({
    authority: file("sslrootcert"),
    certificate: file("sslcert"),
    key: file("sslkey")
  }))
}

const nonEmpty = (text: string | undefined) =>
  text === undefined || text === "" ? Either.right(Option.none<string>()) : Either.map(decoded(text), Option.some)

/**
 * Reads an address. No error quotes it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (address: Redacted.Redacted): Either.Either<PostgresAddress, CredentialStoreError> =>
  Either.gen(function*() {
    const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(
      Redacted.value(address).trim()
    )
    if (match === null) return yield* Either.left(invalid("it does not begin as one"))
    const [user, ...password] = (match[1] ?? "").split(":")
    const parameters = new URLSearchParams(match[4] ?? "")
    const unknown = [...parameters.keys()].find((name) => !KNOWN.has(name))
    if (unknown !== undefined) {
      return yield* Either.left(invalid(`it has a setting that Lockstep does not pass on: ${unknown.slice(0, 40)}`))
    }
    const named = parameters.get("host")
    const texts = (match[2] === "" && named !== null ? encodeURIComponent(named) : match[2]!).split(",")
    const port = Number(parameters.get("port") ?? PORT)
    const servers = yield* Either.all(
      texts.map((text) => Either.map(serverOf(text), (server) => /:\d+$/.test(text) ? server : { ...server, port }))
    )
    const database = yield* nonEmpty(match[3])
    return {
      servers: servers as unknown as PostgresAddress["servers"],
      user: yield* nonEmpty(user),
      password: Option.map(yield* nonEmpty(password.join(":")), Redacted.make),
      database,
      tls: yield* tlsOf(parameters, servers),
      location: `PostgreSQL ${servers.map(({ host, port }) => `${host}:${port}`).join(",")}${
        Option.match(database, { onNone: () => "", onSome: (name) => `/${name}` })
      }`
    }
  })

const variable = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => text.trim() !== "")))

const readFile = (path: string): Effect.Effect<Redacted.Redacted, CredentialStoreError> =>
  Effect.suspend(() => {
    const refused = (detail: string, remedy: string) =>
      new CredentialStoreError({ reason: "Unavailable", location: path, detail, remedy })
    return Effect.flatMap(
      Effect.try({
        try: () => ({ stat: Fs.statSync(path), text: Fs.readFileSync(path, "utf8") }),
        catch: (cause) =>
          refused(
            (cause as NodeJS.ErrnoException).code ?? "cannot be read",
            "make LOCKSTEP_POSTGRES_URL_FILE the path of a file with the address of the database"
          )
      }),
      ({ stat, text }) => {
        // A mounted secret belongs to root and is readable for a group of the pod alone.
        const strangers = stat.uid === process.geteuid?.() ? 0o077 : 0o007
        return process.platform !== "win32" && (stat.mode & strangers) !== 0
          ? refused(`other users may read it: mode ${(stat.mode & 0o777).toString(8)}`, `run \`chmod 600 ${path}\``)
          : Effect.succeed(Redacted.make(text))
      }
    )
  })

/**
 * The address that the environment names: `LOCKSTEP_POSTGRES_URL_FILE`, else `LOCKSTEP_POSTGRES_URL`. Neither is for a
 * child process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEnv: Effect.Effect<PostgresAddress, CredentialStoreError> = Effect.gen(function*() {
  const file = yield* Effect.orElseSucceed(variable("LOCKSTEP_POSTGRES_URL_FILE"), Option.none)
  const text = yield* Effect.orElseSucceed(variable("LOCKSTEP_POSTGRES_URL"), Option.none)
  if (Option.isSome(file)) return yield* Effect.flatMap(readFile(file.value), parse)
  if (Option.isSome(text)) return yield* parse(Redacted.make(text.value))
  return yield* invalid("neither LOCKSTEP_POSTGRES_URL_FILE nor LOCKSTEP_POSTGRES_URL names it")
})
