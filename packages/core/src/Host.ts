/**
 * What the transaction needs from the machine that it runs on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * Tells one process from another, also after its pid was given to somebody else.
 *
 * @since 0.1.0
 * @category models
 */
export class ProcessIdentity extends Schema.Class<ProcessIdentity>("@lockstep/core/ProcessIdentity")({
  pid: Schema.Int,
  /** Opaque; equal only for the same start of the same pid. */
  startTime: Schema.propertySignature(Schema.String).pipe(Schema.fromKey("start_time")),
  /** Opaque; changes with every boot. */
  bootId: Schema.propertySignature(Schema.String).pipe(Schema.fromKey("boot_id")),
  command: Schema.String
}) {}

/**
 * Identity, unguessable ids and SHA-256.
 *
 * @since 0.1.0
 * @category services
 */
export class Host extends Context.Tag("@lockstep/core/Host")<Host, {
  /** This process. */
  readonly self: ProcessIdentity
  /** A new id, unique among all processes and machines. */
  readonly newId: Effect.Effect<string>
  /** SHA-256 in lower-case hex. */
  readonly sha256: (text: string) => string
}>() {}

/**
 * The first 12 hex digits of the SHA-256 of a refresh token: safe to log, enough to compare.
 *
 * @since 0.1.0
 * @category getters
 */
export const fingerprint = (host: Host["Type"], token: Redacted.Redacted): string =>
  host.sha256(Redacted.value(token)).slice(0, 12)

/**
 * A host for tests: counted ids and a hash that is no SHA-256.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Host> = Layer.sync(Host, () => {
  let ids = 0
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0")
  return Host.of({
    self: ProcessIdentity.make({ pid: 1, startTime: "0", bootId: "memory", command: "test" }),
    newId: Effect.sync(() => `attempt-${++ids}`),
    sha256: (text) => hex(Hash.string(text)) + hex(Hash.string(`${text}#`))
  })
})
