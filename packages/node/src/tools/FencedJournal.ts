/**
 * A journal that takes down no intent under a lock that was lost.
 *
 * The intent is the last act before a refresh token is sent. Whoever took a tool's lock away from a stopped process may
 * have sent that token already, so the stopped process must not send it when it goes on: without the intent it sends
 * nothing, and its next try reads again under a lock of its own. Everything else is written as ever: what was redeemed
 * before the lock was lost has to be brought home.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import type { JournalRecord } from "@lockstep/core/RefreshJournal"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as FileCredentialLock from "../locks/FileCredentialLock.js"

/**
 * Makes one of a journal.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<RefreshJournal["Type"], never, RefreshJournal | Host> = Effect.gen(function*() {
  const journal = yield* RefreshJournal
  const { self } = yield* Host

  // One of somebody else is only put back.
  const announcesRequest = ({ intent }: JournalRecord): boolean =>
    Option.exists(intent, (one) => one.state === "sending" && Option.isNone(one.endedAt) && Equal.equals(one.by, self))

  return RefreshJournal.of({
    ...journal,
    write: (tenant, record) =>
      announcesRequest(record)
        ? Effect.flatMap(
          FileCredentialLock.findLost,
          Option.match({
            onNone: () => journal.write(tenant, record),
            onSome: (lock) =>
              new CredentialStoreError({
                reason: "Superseded",
                location: journal.location(tenant),
                detail: `${lock} was taken away while this process did not run, and nothing was sent`
              })
          })
        )
        : journal.write(tenant, record)
  })
})

/**
 * Fences the journal that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RefreshJournal, never, RefreshJournal | Host> = Layer.effect(RefreshJournal, make)
