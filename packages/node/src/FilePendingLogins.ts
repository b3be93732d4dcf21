/**
 * Unfinished logins beside the credentials, in one `auth.json`: the second step of a login may come from any process of
 * this home.
 *
 * @since 0.1.0
 */
import * as PendingLogins from "@lockstep/core/PendingLogins"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Trace from "@lockstep/core/Trace"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AuthFile from "./AuthFile.js"
import type { Home } from "./Home.js"
import type { FileLock } from "./locks/FileLock.js"
import * as PendingJson from "./PendingJson.js"
import type { Damage } from "./StoreCodec.js"

/**
 * Makes the unfinished logins of a home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<PendingLogins.PendingLogins["Type"], never, AuthFile.AuthFile> = Effect.map(
  AuthFile.AuthFile,
  (file) => {
    const sound = <A>(answer: Either.Either<A, Damage>) =>
      Either.mapLeft(answer, (damage) => file.failure("Decode", damage))
    return PendingLogins.PendingLogins.of({
      get: (key) => Effect.flatMap(file.read, (document) => sound(PendingJson.get(document, key))),
      list: Effect.flatMap(
        Effect.all([file.read, Clock.currentTimeMillis]),
        ([document, now]) => sound(PendingJson.list(document, now))
      ),
      put: (key, login) =>
        Trace.withSpan(
          file.modify((document, now) =>
            Either.right({ text: Option.some(PendingJson.put(document, key, login, now)), value: undefined })
          ),
          "lockstep.pending.put"
        ),
      remove: (key, only) =>
        Trace.withSpan(
          file.modify((document, now) => {
            const { removed, text } = PendingJson.remove(document, key, Option.fromNullable(only), now)
            return Either.right({
              text: text === document.text ? Option.none() : Option.some(text),
              value: removed
            })
          }),
          "lockstep.pending.remove"
        )
    })
  }
)

/**
 * The unfinished logins in `auth.json` of a home, however that file is sealed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOfAuthFile: Layer.Layer<PendingLogins.PendingLogins, never, AuthFile.AuthFile> = Layer.effect(
  PendingLogins.PendingLogins,
  make
)

/**
 * The unfinished logins in the plain `auth.json` of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  PendingLogins.PendingLogins,
  never,
  Home | FileLock | RefreshPolicy
> = Layer.provide(layerOfAuthFile, AuthFile.layer)
