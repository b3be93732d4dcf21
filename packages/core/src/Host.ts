/**
 * What the transaction needs from the machine that it runs on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const absent = { as: "Option", nullable: true } as const

/**
 * Tells one process from another, also after its pid was given to a later one.
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
  /** Opaque; one per machine. */
  host: Schema.optionalWith(Schema.String, absent).pipe(Schema.withConstructorDefault(() => Option.none<string>())),
  /** Opaque. A pid names a process within its namespace only, while the boot id is the same in all of them. */
  pidNamespace: Schema.optionalWith(Schema.String, absent).pipe(
    Schema.fromKey("pid_ns"),
    Schema.withConstructorDefault(() => Option.none<string>())
  ),
  command: Schema.String
}) {}

/**
 * Whether the process may be looked up by its pid from here: it ran on this machine, since its last boot, and in the
 * same pid namespace. Where a record does not tell, it is taken for a neighbour, as older records are.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNeighbour = (self: ProcessIdentity, that: ProcessIdentity): boolean =>
  self.bootId === that.bootId && mayBeSame(self.host, that.host) && mayBeSame(self.pidNamespace, that.pidNamespace)

const mayBeSame = (a: Option.Option<string>, b: Option.Option<string>): boolean =>
  Option.isNone(a) || Option.isNone(b) || a.value === b.value

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
