/**
 * What stands between a text and the bytes of its file: nothing, or encryption.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Which file it is about. What was sealed for one purpose opens for no other.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  /** What messages call the file. */
  readonly location: string
  /** Names the kind of file within its home; no path, since a home may be moved. */
  readonly purpose: string
}

/**
 * Turns a text into what is written, and back.
 *
 * @since 0.1.0
 * @category services
 */
export class Envelope extends Context.Tag("@lockstep/node/Envelope")<Envelope, {
  /** Gives the text of what was read. What is no text of ours fails with `Decode`, `Locked` or `Unavailable`. */
  readonly open: (place: Place, bytes: Uint8Array) => Effect.Effect<Uint8Array, CredentialStoreError>

  /** Gives what is written in place of a text. */
  readonly seal: (place: Place, text: string) => Effect.Effect<string, CredentialStoreError>

  /** How many bytes a text of so many bytes takes. */
  readonly sizeOf: (bytes: number) => number

  /** Loads what sealing needs, so that a later `seal` neither waits nor fails. Comes before anything is spent. */
  readonly ready: Effect.Effect<void, CredentialStoreError>
}>() {}

/**
 * Writes texts as they are.
 *
 * @since 0.1.0
 * @category constants
 */
export const plain: Envelope["Type"] = Envelope.of({
  open: (_, bytes) => Effect.succeed(bytes),
  seal: (_, text) => Effect.succeed(text),
  sizeOf: (bytes) => bytes,
  ready: Effect.void
})

/**
 * Writes texts as they are.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPlain: Layer.Layer<Envelope> = Layer.succeed(Envelope, plain)
