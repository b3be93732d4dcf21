/**
 * What a person settled about vendors, in `vendors.json` of the home.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Trace from "@lockstep/core/Trace"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import * as AtomicFile from "./AtomicFile.js"
import { Home } from "./Home.js"
import * as Aggregate from "./internal/aggregate.js"
import type { FileLock } from "./locks/FileLock.js"
import * as VendorsJson from "./VendorsJson.js"
import * as WholeFile from "./WholeFile.js"

const FILE = "vendors.json"

/**
 * Settings about vendors, by vendor id and tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface FileVendorSettings {
  /** The stored client secret of a vendor. */
  readonly clientSecret: (vendor: string) => Effect.Effect<Option.Option<Redacted.Redacted>, CredentialStoreError>

  readonly setClientSecret: (
    vendor: string,
    secret: Redacted.Redacted
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>

  /** Whether a person accepted the risk of this vendor's terms for this tenant. */
  readonly hasAcceptedTerms: (tenant: TenantId, vendor: string) => Effect.Effect<boolean, CredentialStoreError>

  readonly acceptTerms: (
    tenant: TenantId,
    vendor: string
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>
}

/**
 * Makes the settings of a home. Readers take no lock and create nothing; Lockstep does not write a damaged file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<FileVendorSettings, never, Home | FileLock | RefreshPolicy> = Effect.gen(
  function*() {
    const home = yield* Home
    const exclusively = yield* Aggregate.make

    // Resolved at every use: before the first write of the home there is nothing to resolve in it.
    const path = AtomicFile.resolve(Path.join(home.directory, FILE))

    const sound = <A>(location: string, answer: Either.Either<A, string>) =>
      Either.mapLeft(answer, (detail) => new CredentialStoreError({ reason: "Decode", location, detail }))

    const load = (location: string) =>
      Effect.flatMap(
        WholeFile.read(location),
        Option.match({
          onNone: () => Effect.succeed(VendorsJson.empty),
          onSome: ({ bytes }) =>
            Effect.flatMap(
              WholeFile.decodeText(location, bytes),
              (text) => sound(location, VendorsJson.parse(text))
            )
        })
      )

    const modify = (edit: (document: VendorsJson.Document, now: number) => string) =>
      exclusively(FILE, () =>
        Effect.gen(function*() {
          const location = yield* path
          const document = yield* load(location)
          const now = yield* Clock.currentTimeMillis
          const text = edit(document, now)
          if (text === document.text) return
          yield* AtomicFile.sweep(location)
          yield* AtomicFile.replace(location, text)
        })).pipe(Trace.withSpan("lockstep.vendors.modify"))

    return {
      clientSecret: (vendor) =>
        Effect.flatMap(
          path,
          (location) =>
            Effect.flatMap(load(location), (document) => sound(location, VendorsJson.clientSecret(document, vendor)))
        ),
      setClientSecret: (vendor, secret) => modify((document) => VendorsJson.putClientSecret(document, vendor, secret)),
      hasAcceptedTerms: (tenant, vendor) =>
        Effect.map(Effect.flatMap(path, load), (document) => VendorsJson.hasAcceptedTerms(document, tenant, vendor)),
      acceptTerms: (tenant, vendor) =>
        modify((document, now) => VendorsJson.putAcceptedTerms(document, tenant, vendor, now))
    }
  }
)
