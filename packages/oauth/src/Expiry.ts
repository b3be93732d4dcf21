/**
 * When an access token ends, as far as an answer tells.
 *
 * Servers write seconds, milliseconds and dates into members that RFC 6749 gives to seconds. A token that was granted
 * just now cannot have ended, and does not live for ten years: a value that says so is read another way, or not at all,
 * and a token of unknown expiry is used until it is rejected.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as JsonObject from "./JsonObject.js"
import * as JsonWebToken from "./JsonWebToken.js"

/**
 * Where an expiry is read.
 *
 * @since 0.1.0
 * @category models
 */
export type ExpirySource = "expires_in" | "expires_at" | "jwt_exp"

const TEN_YEARS = 10 * 365 * 86_400

/** Milliseconds since the epoch passed this number in 1973; seconds will in the year 5138. */
const MILLISECONDS = 1e11

const isCredible = (lifetime: number): boolean => lifetime > 0 && lifetime <= TEN_YEARS

/** An absolute time, in seconds or in milliseconds, that lies ahead. */
const ahead = (value: number, now: number): Option.Option<number> =>
  Option.liftPredicate((at: number) => isCredible(at - now))(value >= MILLISECONDS ? value / 1000 : value)

/**
 * Turns a number of seconds from now into an absolute time; takes an absolute time for what it is. Seconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromLifetime = (value: number, now: number): Option.Option<number> =>
  isCredible(value) ? Option.some(now + value) : ahead(value, now)

const fromClaims = (accessToken: string, now: number): Option.Option<number> =>
  Option.flatMap(
    JsonWebToken.claims(accessToken),
    (claims) =>
      Option.flatMap(JsonObject.number(claims, "exp"), (exp) =>
        Option.orElse(ahead(exp, now), () =>
          // Ended before it began: the clocks differ, and the lifetime is what is left to go by.
          Option.flatMap(
            JsonObject.number(claims, "iat"),
            (iat) => isCredible(exp - iat) ? Option.some(now + exp - iat) : Option.none()
          )))
  )

const fromDate = (text: string, now: number): Option.Option<number> => ahead(Date.parse(text), now)

/**
 * Reads the expiry from the first source that has one. Whole seconds since the epoch; `now` in seconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const expiresAt = (
  sources: ReadonlyArray<ExpirySource>,
  answer: JsonObject.JsonObject,
  accessToken: string,
  now: number
): Option.Option<number> => {
  const read = (source: ExpirySource): Option.Option<number> => {
    switch (source) {
      case "expires_in":
        return Option.flatMap(JsonObject.number(answer, "expires_in"), (value) => fromLifetime(value, now))
      case "expires_at":
        return Option.orElse(
          Option.flatMap(JsonObject.number(answer, "expires_at"), (value) => ahead(value, now)),
          () => Option.flatMap(JsonObject.text(answer, "expires_at"), (text) => fromDate(text, now))
        )
      case "jwt_exp":
        return fromClaims(accessToken, now)
    }
  }
  return Option.map(Option.firstSomeOf(sources.map(read)), Math.floor)
}
