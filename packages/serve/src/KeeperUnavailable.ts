/**
 * @since 0.1.0
 */
import * as Data from "effect/Data"

const MESSAGES = {
  Running: (place: string, detail: string) => `this home has a keeper already: ${detail}, at ${place}`,
  Foreign: (place: string) => `${place} is there, and no socket of this user's: it is not replaced`,
  Taken: (place: string) => `another program listens at ${place}`,
  Open: (place: string, detail: string) => `${place} is no place for a socket: ${detail}`,
  Path: (place: string, detail: string) => `no socket can be made at ${place} (${detail})`,
  Port: (place: string) => `${place} is taken`,
  Inherited: (place: string, detail: string) => `${place} cannot be used: ${detail}`
} as const

const ADVICE = {
  Running: "use it, or end it first",
  Foreign: "choose another place with --socket",
  Taken: "choose another place with --socket",
  Open: "use a directory that only you can write, such as the home or $XDG_RUNTIME_DIR",
  Path: "choose another place with --socket, such as below $XDG_RUNTIME_DIR",
  Port: "choose another port; 0 is any that is free",
  Inherited: "see `lockstep serve --install` for units that work"
} as const

/**
 * A keeper cannot begin.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeeperUnavailable extends Data.TaggedError("KeeperUnavailable")<{
  readonly reason: keyof typeof MESSAGES
  /** A path or an address. */
  readonly place: string
  readonly detail: string
}> {
  override get message(): string {
    return MESSAGES[this.reason](this.place, this.detail)
  }
  get advice(): string {
    return ADVICE[this.reason]
  }
}
