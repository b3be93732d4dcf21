/**
 * Addresses that a token may be sent to.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Effect from "effect/Effect"
import { UsageError } from "../line/UsageError.js"

/**
 * Reads an address: https, or http to this machine, and without a slash at its end, as other programs append to it and
 * compare it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (to: string): Effect.Effect<string, UsageError> => {
  const url = URL.canParse(to) ? new URL(to) : undefined
  const isSafe = url?.protocol === "https:" || url?.protocol === "http:" && LoopbackAddress.isLoopback(url.hostname)
  return url === undefined || !isSafe || url.username !== "" || url.password !== "" || /[?#]/.test(to)
    ? new UsageError({
      reason: "Arguments",
      message: "--to: the https address of a server is expected",
      advice:
        "write it without user, password, query and fragment, as in https://gitlab.example; http leads to this machine only"
    })
    : Effect.succeed(`${url.origin}${url.pathname.replace(/\/$/, "")}`)
}
